package dashboard

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"html/template"
	"io/fs"
	"net/http"
	"strings"
	"time"

	"github.com/voxagent/dispatcher/internal/api/auth"
)

//go:embed templates/*.html
var templateFiles embed.FS

//go:embed assets/*
var assetFiles embed.FS

// page is what every template gets; C is the content of its own.
type page struct {
	Title     string
	Nav       string // the entry of the sidebar that is lit
	Path      string // where the page is, for coming back
	Theme     string
	Workspace string
	Base      string
	Operator  bool
	CanWrite  bool
	CanReplay bool
	Gate      bool // no sidebar: nobody is signed in
	Flash     *flash
	Now       time.Time
	C         any
}

// frame is the page around the content of this visit.
func (v *visit) frame(title, nav string) *page {
	p := &page{
		Title: title, Nav: nav, Path: v.r.URL.RequestURI(), Theme: theme(v.r), Workspace: v.workspace,
		Operator: v.principal.Operator, CanWrite: v.principal.Scopes.Has(auth.Write),
		CanReplay: v.principal.Scopes.Has(auth.Replay), Now: v.now,
	}
	if v.workspace != "" {
		p.Base = v.base()
	}
	if v.r.Method != http.MethodGet {
		p.Path = "/"
	}
	return p
}

// show renders a page with what was said to the reader after the last act.
func (v *visit) show(name, title, nav string, content any) error {
	p := v.frame(title, nav)
	p.Flash = v.takeFlash()
	p.C = content
	return v.views.render(v.w, http.StatusOK, name, p)
}

// moment is a time and when it is looked at.
type moment struct{ T, Now time.Time }

// snippet is a piece of code of ours.
type snippet struct {
	ID, Text string
	Copy     bool
}

// views holds the templates, each page with the layout, and the assets.
type views struct {
	pages  map[string]*template.Template
	assets assets
}

func newViews() (*views, error) {
	a, err := newAssets()
	if err != nil {
		return nil, err
	}
	v := &views{pages: map[string]*template.Template{}, assets: a}
	shared, err := template.New("").Funcs(template.FuncMap{
		"asset": a.url, "icon": icon, "visible": visible, "iso": iso, "utc": utc, "clock": clock, "ago": ago,
		"span": span, "wait": wait, "size": func(n int) string { return size(int64(n)) }, "count": count,
		"at":  func(t, now time.Time) moment { return moment{t, now} },
		"inc": func(i int) int { return i + 1 }, "filterExamples": func() []string { return filterExamples },
		"code": func(id, text string) snippet { return snippet{id, text, true} },
	}).ParseFS(templateFiles, "templates/layout.html", "templates/parts.html")
	if err != nil {
		return nil, fmt.Errorf("parse layout: %w", err)
	}
	names, err := fs.Glob(templateFiles, "templates/*.html")
	if err != nil {
		return nil, err
	}
	for _, file := range names {
		name := strings.TrimSuffix(strings.TrimPrefix(file, "templates/"), ".html")
		if name == "layout" || name == "parts" {
			continue
		}
		t, err := template.Must(shared.Clone()).ParseFS(templateFiles, file)
		if err != nil {
			return nil, fmt.Errorf("parse page %s: %w", name, err)
		}
		v.pages[name] = t
	}
	return v, nil
}

// render writes a page. A page that fails half-way is never seen.
func (v *views) render(w http.ResponseWriter, status int, name string, p *page) error {
	return v.execute(w, status, name, "layout", p)
}

func (v *views) execute(w http.ResponseWriter, status int, name, part string, p *page) error {
	var out bytes.Buffer
	if err := v.pages[name].ExecuteTemplate(&out, part, p); err != nil {
		return fmt.Errorf("render %s: %w", name, err)
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write(out.Bytes())
	return nil
}

// fragment writes a part of a page for a script that asks again and again: unchanged, it costs a hash.
func (v *views) fragment(w http.ResponseWriter, r *http.Request, name, part string, p *page) error {
	var out bytes.Buffer
	if err := v.pages[name].ExecuteTemplate(&out, part, p); err != nil {
		return fmt.Errorf("render %s of %s: %w", part, name, err)
	}
	sum := sha256.Sum256(out.Bytes())
	etag := `"` + hex.EncodeToString(sum[:12]) + `"`
	w.Header().Set("ETag", etag)
	if r.Header.Get("If-None-Match") == etag {
		w.WriteHeader(http.StatusNotModified)
		return nil
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, _ = w.Write(out.Bytes())
	return nil
}

// assets are the stylesheet, the script and the icon, by name. Their addresses carry a hash of their content, so that a
// browser may keep them for ever.
type assets map[string]asset

type asset struct {
	content []byte
	kind    string
	hash    string
}

func newAssets() (assets, error) {
	kinds := map[string]string{
		"app.css": "text/css; charset=utf-8", "app.js": "text/javascript; charset=utf-8", "icon.svg": "image/svg+xml",
	}
	a := assets{}
	for name, kind := range kinds {
		content, err := assetFiles.ReadFile("assets/" + name)
		if err != nil {
			return nil, err
		}
		sum := sha256.Sum256(content)
		a[name] = asset{content, kind, hex.EncodeToString(sum[:6])}
	}
	return a, nil
}

func (a assets) url(name string) string { return "/assets/" + name + "?" + a[name].hash }

// ServeHTTP serves an asset.
func (a assets) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	file, ok := a[r.PathValue("name")]
	if !ok {
		http.Error(w, "There is nothing here.", http.StatusNotFound)
		return
	}
	w.Header().Set("Content-Type", file.kind)
	if r.URL.RawQuery == file.hash {
		w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
	}
	_, _ = w.Write(file.content)
}

// icons are drawn in a 16 × 16 box with lines.
var icons = map[string]string{
	"ok":      `<circle cx="8" cy="8" r="6.25"/><path d="m5.4 8.2 1.8 1.8 3.4-3.8"/>`,
	"fail":    `<path d="M5.2 1.9h5.6l3.3 3.3v5.6l-3.3 3.3H5.2l-3.3-3.3V5.2z"/><path d="m6 6 4 4m0-4-4 4"/>`,
	"wait":    `<circle cx="8" cy="8" r="6.25"/><path d="M8 4.6V8l2.3 1.5"/>`,
	"off":     `<circle cx="8" cy="8" r="6.25"/><path d="M5.5 8h5"/>`,
	"alert":   `<path d="M8 2 14.4 13.4H1.6z"/><path d="M8 6.4v3.2M8 11.4v.1"/>`,
	"webhook": `<circle cx="4" cy="11.5" r="2"/><circle cx="12" cy="11.5" r="2"/><circle cx="8" cy="4.5" r="2"/><path d="M6 11.5h4M7 6.3l-2.1 3.5M9 6.3l2.1 3.5"/>`,
	"list":    `<path d="M5.5 4h8M5.5 8h8M5.5 12h8M2.5 4h.1M2.5 8h.1M2.5 12h.1"/>`,
	"key":     `<circle cx="5" cy="11" r="2.75"/><path d="m7 9 6-6M10.6 5.4l2 2"/>`,
	"log":     `<path d="M3.5 1.9h6.2L12.5 4.7v9.4h-9z"/><path d="M6 7h4M6 10h4"/>`,
	"grid":    `<path d="M2.5 2.5h4.2v4.2h-4.2zM9.3 2.5h4.2v4.2h-4.2zM2.5 9.3h4.2v4.2h-4.2zM9.3 9.3h4.2v4.2h-4.2z"/>`,
	"copy":    `<rect x="5.5" y="5.5" width="8" height="8" rx="1.5"/><path d="M3.5 10.5h-.2A.8.8 0 0 1 2.5 9.700V3.300c0-.4.4-.8.8-.8h6.400c.4 0 .8.4.8.8v.2"/>`,
	"theme":   `<circle cx="8" cy="8" r="6.25"/><path d="M8 1.750v12.5a6.250 6.250 0 0 0 0-12.5z" fill="currentColor"/>`,
}

func icon(name string) template.HTML {
	return template.HTML(`<svg class="i" viewBox="0 0 16 16" aria-hidden="true">` + icons[name] + `</svg>`) //nolint:gosec // drawn above
}
