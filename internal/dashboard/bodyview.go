package dashboard

import (
	"net/http"
	"strings"

	"github.com/voxagent/dispatcher/internal/history/store"
)

// bodyView is a payload or response with what stands around it.
type bodyView struct {
	ID                  string // of the element that shows it
	Body                body
	Toggle              bool // there is a pretty and a raw view
	PrettyHref, RawHref string
	Download            string
	Missing             string // why there is nothing to show
	Note                string
}

// rawView says whether the body with this id is shown raw: the parameter raw names it.
func (v *visit) rawView(id string) bool { return v.r.URL.Query().Get("raw") == id }

func (v *visit) bodyView(id string, b []byte, download string) bodyView {
	return bodyView{
		ID: id, Body: newBody(b, !v.rawView(id)), Toggle: newBody(b, false).JSON, Download: download,
		PrettyHref: v.with("raw", "") + "#" + id, RawHref: v.with("raw", id) + "#" + id,
	}
}

func (v *visit) payloadView(p store.Payload, download string) bodyView {
	switch p.State {
	case store.PayloadKept:
		return v.bodyView("payload", p.Body, download)
	case store.PayloadErased:
		return bodyView{Missing: "It was erased on request, for good."}
	case store.PayloadGone:
	}
	return bodyView{Missing: "It is not kept any more: payloads are kept for a shorter time than the rest of the history."}
}

// download sends bytes as a file: never shown, never interpreted.
func (v *visit) download(name string, b []byte) error {
	h := v.w.Header()
	h.Set("Content-Type", "application/octet-stream")
	h.Set("Content-Disposition", `attachment; filename="`+name+`"`)
	h.Set("Content-Security-Policy", "default-src 'none'; sandbox")
	v.w.WriteHeader(http.StatusOK)
	_, _ = v.w.Write(b)
	return nil
}

func (v *visit) downloadPayload(id string, p store.Payload) error {
	if p.State != store.PayloadKept {
		return errNotFound
	}
	return v.download(id+".json", p.Body)
}

// curlCommand is the request as curl makes it, without the signatures, which are not stored.
func curlCommand(a *store.AttemptDetail, url string) string {
	var b strings.Builder
	b.WriteString("curl -X POST " + quote(plain(url)))
	for _, h := range a.Request.Headers {
		if h[1] == "***" || strings.EqualFold(h[0], "Content-Length") || strings.EqualFold(h[0], "Host") {
			continue
		}
		b.WriteString(" \\\n  -H " + quote(plain(h[0]+": "+h[1])))
	}
	body := string(a.Payload.Body)
	if len(body) > maxCurlBody || strings.ContainsFunc(body, hidden) {
		b.WriteString(" \\\n  --data-binary " + quote("@"+a.ID+".json"))
		return b.String()
	}
	b.WriteString(" \\\n  --data-raw " + quote(body))
	return b.String()
}

// maxCurlBody is how long a body the command itself holds. A longer one is a file to download, and so is one with
// characters that a terminal would hide or obey.
const maxCurlBody = 16 << 10

// quote makes s one word for a shell.
func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }
