package filter

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"unicode/utf8"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/env"
	"cel.dev/cel-go/common/functions"
	"cel.dev/cel-go/common/overloads"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/interpreter"
)

// MaxLength is how long an expression may be, in bytes.
const MaxLength = 4096

// Bounds of one expression's form.
const (
	maxNodes   = 500
	maxNesting = 30
)

// What a program takes in memory, in bytes: by itself, and for each node of the expression.
const (
	programBytes = 1024
	nodeBytes    = 100
)

// Filter is a compiled expression. It is immutable and safe for concurrent use.
type Filter struct {
	program cel.Program
	size    int
}

// Size is about what the filter takes in memory, in bytes.
func (f *Filter) Size() int { return f.size }

// SyntaxError says where an expression is wrong, for whoever wrote it.
type SyntaxError struct {
	Line, Column int // both from 1; 0 when the fault has no place
	Message      string
}

func (e *SyntaxError) Error() string {
	if e.Line == 0 {
		return e.Message
	}
	return fmt.Sprintf("line %d, column %d: %s", e.Line, e.Column, e.Message)
}

// Compile returns the filter of an expression. The error, if any, is a *SyntaxError: the first fault.
func Compile(text string) (*Filter, error) {
	if len(text) > MaxLength || !utf8.ValidString(text) || strings.ContainsRune(text, 0) { // PostgreSQL stores no NUL
		return nil, &SyntaxError{Message: fmt.Sprintf("want at most %d bytes of text", MaxLength)}
	}
	e, err := language()
	if err != nil {
		return nil, err
	}
	checked, issues := e.Compile(text)
	if issues.Err() != nil {
		return nil, firstFault(issues)
	}
	if kind := checked.OutputType(); !kind.IsExactType(cel.BoolType) && !kind.IsExactType(cel.DynType) {
		return nil, &SyntaxError{Message: fmt.Sprintf("want an expression that is true or false, this one is of type %s", kind)}
	}
	patterns, err := literalPatterns(checked)
	if err != nil {
		return nil, err
	}
	// Without OptOptimize, which would put the library's own matches in the place of this one.
	//nolint:staticcheck // the only way to bind a function for one program: its patterns are compiled with it
	match := cel.Functions(&functions.Overload{Operator: matchesOverload, Binary: patterns.match})
	program, err := e.Program(checked, cel.CostLimit(costLimit), cel.CostTracking(costs{patterns}), match)
	if err != nil {
		return nil, &SyntaxError{Message: err.Error()}
	}
	return &Filter{program, programBytes + len(text) + nodeBytes*countNodes(checked) + patterns.size()}, nil
}

func countNodes(checked *cel.Ast) int {
	n := 0
	ast.PostOrderVisit(checked.NativeRep().Expr(), ast.NewExprVisitor(func(ast.Expr) { n++ }))
	return n
}

func firstFault(issues *cel.Issues) error {
	all := issues.Errors()
	if len(all) == 0 {
		return &SyntaxError{Message: issues.Err().Error()}
	}
	message, _, _ := strings.Cut(all[0].Message, "\n")
	if at := all[0].Location; at != nil && at.Line() > 0 {
		return &SyntaxError{Line: at.Line(), Column: at.Column() + 1, Message: message} // they count columns from 0
	}
	return &SyntaxError{Message: message}
}

// language is the environment of all expressions, made once.
var language = sync.OnceValues(func() (*cel.Env, error) {
	return cel.NewCustomEnv(
		cel.StdLib(cel.StdLibSubset(&env.LibrarySubset{ExcludeFunctions: excluded()})),
		cel.Function(overloads.Matches,
			cel.MemberOverload(matchesOverload, []*cel.Type{cel.StringType, cel.StringType}, cel.BoolType)),
		cel.Variable(nameEvent, cel.StringType),
		cel.Variable(nameData, cel.MapType(cel.StringType, cel.DynType)),
		cel.CustomTypeAdapter(adapter{}),
		cel.CrossTypeNumericComparisons(true),
		cel.DefaultUTCTimeZone(true),
		cel.EagerlyValidateDeclarations(true),
		cel.ParserExpressionSizeLimit(MaxLength),
		cel.ParserRecursionLimit(maxNesting),
		cel.ExpressionNodeLimit(maxNodes),
	)
})

// excluded are the parts of the standard library that are left out: matches, which is replaced, and everything that
// would read a time zone's file at each call.
func excluded() []*env.Function {
	out := []*env.Function{{Name: overloads.Matches}}
	for function, overload := range map[string]string{
		overloads.TimeGetFullYear: overloads.TimestampToYearWithTz, overloads.TimeGetMonth: overloads.TimestampToMonthWithTz,
		overloads.TimeGetDayOfYear:    overloads.TimestampToDayOfYearWithTz,
		overloads.TimeGetDayOfMonth:   overloads.TimestampToDayOfMonthZeroBasedWithTz,
		overloads.TimeGetDate:         overloads.TimestampToDayOfMonthOneBasedWithTz,
		overloads.TimeGetDayOfWeek:    overloads.TimestampToDayOfWeekWithTz,
		overloads.TimeGetHours:        overloads.TimestampToHoursWithTz,
		overloads.TimeGetMinutes:      overloads.TimestampToMinutesWithTz,
		overloads.TimeGetSeconds:      overloads.TimestampToSecondsWithTz,
		overloads.TimeGetMilliseconds: overloads.TimestampToMillisecondsWithTz,
	} {
		out = append(out, &env.Function{Name: function, Overloads: []*env.Overload{{ID: overload}}})
	}
	return out
}

// ErrCost says that an evaluation was ended because it cost too much.
var ErrCost = errors.New("filter: costs too much")

// Match says whether in's event passes. It is an error when the expression fails, for example on a property that is not
// there, or is not a boolean; ErrCost when it costs too much.
func (f *Filter) Match(in *Input) (bool, error) {
	if in.spent >= in.limit {
		return false, ErrCost
	}
	out, details, err := f.program.Eval(in)
	if cost := details.ActualCost(); cost != nil {
		in.spent += *cost
	}
	cancelled, ok := errors.AsType[interpreter.EvalCancelledError](err)
	switch {
	case errors.Is(err, ErrCost), ok && cancelled.Cause == interpreter.CostLimitExceeded:
		return false, ErrCost
	case err != nil:
		return false, fmt.Errorf("filter: %w", err)
	}
	yes, ok := out.(types.Bool)
	if !ok {
		return false, fmt.Errorf("filter: want true or false, have %s", out.Type().TypeName())
	}
	return bool(yes), nil
}
