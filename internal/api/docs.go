package api

import (
	"bytes"
	"embed"
	"fmt"
	"html/template"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"
)

//go:embed pages
var pages embed.FS

// docsPolicy lets the page have its one stylesheet and nothing else: no script, no other origin.
const docsPolicy = "default-src 'none'; style-src 'self'; img-src 'self' data:; form-action 'none'; frame-ancestors 'none'; base-uri 'none'"

// serveDocs puts the documentation on the mux. It is rendered once, from the document.
func serveDocs(mux *http.ServeMux, doc *huma.OpenAPI) error {
	page, err := template.ParseFS(pages, "pages/docs.html")
	if err != nil {
		return fmt.Errorf("api: parse the documentation's page: %w", err)
	}
	var out bytes.Buffer
	if err := page.Execute(&out, newManual(doc)); err != nil {
		return fmt.Errorf("api: render the documentation: %w", err)
	}
	css, err := pages.ReadFile("pages/docs.css")
	if err != nil {
		return fmt.Errorf("api: read the documentation's stylesheet: %w", err)
	}
	mux.HandleFunc("GET /docs", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Security-Policy", docsPolicy)
		static("text/html; charset=utf-8", out.Bytes())(w, r)
	})
	mux.HandleFunc("GET /docs/docs.css", static("text/css; charset=utf-8", css))
	mux.Handle("GET /docs/{$}", http.RedirectHandler("/docs", http.StatusMovedPermanently))
	return nil
}

// manual is the documentation's page.
type manual struct {
	Title, Version string
	Lead           [][]fragment // paragraphs
	Groups         []group
}

// fragment is a piece of a paragraph, plain or code.
type fragment struct {
	Text string
	Code bool
}

type group struct {
	Name, Doc string
	Calls     []call
}

type call struct {
	ID, Method, Path, Summary, Doc string
	Needs                          string
	Params, Body, Answer           []prop
	Curl, Status, Example          string
	Errors                         []string
}

func newManual(doc *huma.OpenAPI) manual {
	m := manual{Title: doc.Info.Title, Version: doc.Info.Version}
	for paragraph := range strings.SplitSeq(doc.Info.Description, "\n\n") {
		var fragments []fragment
		code := false
		for text := range strings.SplitSeq(paragraph, "`") {
			fragments = append(fragments, fragment{text, code})
			code = !code
		}
		m.Lead = append(m.Lead, fragments)
	}
	for _, tag := range doc.Tags {
		g := group{Name: tag.Name, Doc: tag.Description}
		for _, o := range operations(doc) {
			if slices.Contains(o.Tags, tag.Name) {
				g.Calls = append(g.Calls, newCall(doc, o))
			}
		}
		m.Groups = append(m.Groups, g)
	}
	return m
}

// operations lists the document's operations by path, then method in the order of reading, changing, removing.
func operations(doc *huma.OpenAPI) []*huma.Operation {
	var all []*huma.Operation
	for _, item := range doc.Paths {
		for _, o := range []*huma.Operation{item.Get, item.Post, item.Put, item.Patch, item.Delete} {
			if o != nil {
				all = append(all, o)
			}
		}
	}
	order := []string{http.MethodPost, http.MethodGet, http.MethodPut, http.MethodPatch, http.MethodDelete}
	slices.SortFunc(all, func(a, b *huma.Operation) int {
		if c := strings.Compare(a.Path, b.Path); c != 0 {
			return c
		}
		return slices.Index(order, a.Method) - slices.Index(order, b.Method)
	})
	return all
}

func newCall(doc *huma.OpenAPI, o *huma.Operation) call {
	s := schemas{doc.Components.Schemas}
	c := call{ID: o.OperationID, Method: o.Method, Path: o.Path, Summary: o.Summary, Doc: o.Description}
	rule, _ := o.Metadata[accessKey].(access)
	c.Needs = "Scope " + rule.scope.String()
	if rule.operator {
		c.Needs += ", operators only"
	}
	for _, p := range o.Parameters {
		c.Params = append(c.Params, prop{
			Name: p.Name, Type: s.typeName(p.Schema) + " in " + p.In, Required: p.Required, Doc: p.Description,
		})
	}
	var body *huma.Schema
	if o.RequestBody != nil && o.RequestBody.Content["application/json"] != nil {
		body = o.RequestBody.Content["application/json"].Schema
		c.Body = s.props(body, 0)
	}
	c.Curl = curl(s, o, body)
	for _, status := range slices.Sorted(maps.Keys(o.Responses)) {
		code, _ := strconv.Atoi(status)
		title := strings.TrimSpace(status + " " + http.StatusText(code))
		if code >= http.StatusBadRequest {
			c.Errors = append(c.Errors, title)
			continue
		}
		c.Status = title
		if media := o.Responses[status].Content["application/json"]; media != nil {
			c.Answer = s.props(media.Schema, 0)
			c.Example = s.exampleJSON(media.Schema)
		}
	}
	return c
}

// curl is the call as one would type it.
func curl(s schemas, o *huma.Operation, body *huma.Schema) string {
	path := strings.NewReplacer("{workspace_id}", "ws_acme", "{id}", "ID").Replace(o.Path)
	var b strings.Builder
	b.WriteString("curl ")
	if o.Method != http.MethodGet {
		b.WriteString("-X " + o.Method + " ")
	}
	b.WriteString("\"$VOXAGENT" + path + "\" \\\n  -H \"Authorization: Bearer $KEY\"")
	if body != nil {
		b.WriteString(" \\\n  -H 'Content-Type: application/json' \\\n  -d '" + s.exampleBody(body) + "'")
	}
	return b.String()
}
