package filter

import (
	"errors"
	"fmt"
	"regexp"
	"regexp/syntax"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/overloads"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
)

// matchesOverload is the one form of matches that expressions may use: text.matches(pattern).
const matchesOverload = "matches_literal"

const (
	// maxInstructions bounds a pattern's program: a match may take this many steps for each byte.
	maxInstructions = 250
	// maxSteps bounds one match, in bytes of text times instructions: it cannot be interrupted.
	maxSteps = 2 << 20
	// maxPatternBytes bounds what all patterns of an expression take in memory, by estimate. A dozen of some words each fit;
	// a class such as (?i)\pL takes half of it each time that it is used.
	maxPatternBytes = 48 << 10
)

// What a compiled pattern takes for each instruction and for each bound of a class of characters, in bytes: regexp may keep
// a second program beside the first.
const (
	instructionBytes = 100
	boundBytes       = 20
)

// pattern is a compiled literal of matches.
type pattern struct {
	regexp       *regexp.Regexp
	instructions int
	size         int // bytes, estimated
}

// patterns are those of one expression, by their text.
type patterns map[string]*pattern

// literalPatterns compiles the patterns of an expression. The error, if any, is a *SyntaxError.
func literalPatterns(checked *cel.Ast) (patterns, error) {
	native := checked.NativeRep()
	found := patterns{}
	size := 0
	var fault error
	ast.PostOrderVisit(native.Expr(), ast.NewExprVisitor(func(e ast.Expr) {
		if fault != nil || e.Kind() != ast.CallKind || e.AsCall().FunctionName() != overloads.Matches {
			return
		}
		args := e.AsCall().Args()
		at := native.SourceInfo().GetStartLocation(args[0].ID())
		wrong := func(message string) {
			fault = &SyntaxError{Line: at.Line(), Column: at.Column() + 1, Message: message}
		}
		text, ok := args[0].AsLiteral().(types.String)
		if !ok {
			wrong("the pattern of matches must be a literal")
			return
		}
		if found[string(text)] != nil {
			return
		}
		p, err := compilePattern(string(text), maxPatternBytes-size)
		if err != nil {
			wrong(err.Error())
			return
		}
		size += p.size
		found[string(text)] = p
	}))
	return found, fault
}

// size is about what all of them take in memory, in bytes.
func (p patterns) size() int {
	size := 0
	for _, one := range p {
		size += one.size
	}
	return size
}

// programSize is about what a program takes in memory, in bytes.
func programSize(program *syntax.Prog) int {
	size := 0
	for i := range program.Inst {
		size += instructionBytes + boundBytes*len(program.Inst[i].Rune)
	}
	return size
}

// compilePattern compiles a pattern that takes at most room bytes.
func compilePattern(text string, room int) (*pattern, error) {
	parsed, err := syntax.Parse(text, syntax.Perl)
	if err != nil {
		return nil, fmt.Errorf("not a pattern of RE2: %w", err)
	}
	program, err := syntax.Compile(parsed.Simplify())
	if err != nil {
		return nil, fmt.Errorf("not a pattern of RE2: %w", err)
	}
	if len(program.Inst) > maxInstructions {
		return nil, fmt.Errorf("the pattern comes to %d steps for each byte, at most %d are allowed", len(program.Inst), maxInstructions)
	}
	size := programSize(program)
	if size > room {
		return nil, errors.New("the patterns take too much memory: use fewer, or fewer classes of many characters")
	}
	compiled, err := regexp.Compile(text)
	if err != nil {
		return nil, fmt.Errorf("not a pattern of RE2: %w", err)
	}
	return &pattern{compiled, len(program.Inst), size}, nil
}

// match is the binding of matches.
func (p patterns) match(text, literal ref.Val) ref.Val {
	s, ok := text.(types.String)
	if !ok {
		return types.MaybeNoSuchOverloadErr(text)
	}
	pattern := p[string(literal.(types.String))]
	if len(s)*pattern.instructions > maxSteps {
		return types.WrapErr(ErrCost)
	}
	return types.Bool(pattern.regexp.MatchString(string(s)))
}

// price is what a call of match costs beside the call, in units.
func (p patterns) price(args []ref.Val) uint64 {
	literal, ok := args[1].(types.String)
	if !ok { // an error in its place
		return 0
	}
	return textLength(args[0]) * uint64(p[string(literal)].instructions) / stepsPerUnit
}
