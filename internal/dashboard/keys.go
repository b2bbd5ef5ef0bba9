package dashboard

import (
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/voxagent/dispatcher/internal/subscription"
)

type keysView struct {
	Rows                []keyRow
	Pager               pager
	Name, Error, NewKey string
}

type keyRow struct {
	ID, Name, Scopes, Revoke string
	CreatedAt                time.Time
	LastUsed, Expires        *time.Time
}

func (d *dashboard) keysPage(v *visit) error { return v.showKeys(http.StatusOK, keysView{}) }

func (v *visit) showKeys(status int, view keysView) error {
	l, err := v.Workspaces.APIKeys(v.r.Context(), v.workspace, subscription.Page{Limit: pageSize, Cursor: v.r.URL.Query().Get("cursor")})
	if err != nil {
		return err
	}
	for i := range l.Items {
		k := &l.Items[i]
		scopes := make([]string, len(k.Scopes))
		for i, s := range k.Scopes {
			scopes[i] = string(s)
		}
		view.Rows = append(view.Rows, keyRow{
			ID: k.ID, Name: k.Name, Scopes: strings.Join(scopes, ", "), CreatedAt: k.CreatedAt,
			Revoke: v.base() + "/api-keys/" + k.ID + "/revoke", LastUsed: orNil(k.LastUsedAt), Expires: orNil(k.ExpiresAt),
		})
	}
	view.Pager = v.pager(l.Next, "")
	p := v.frame("API keys", "keys")
	p.Flash, p.C = v.takeFlash(), view
	return v.views.render(v.w, status, "keys", p)
}

func orNil(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

func (d *dashboard) createKey(v *visit) error {
	n := subscription.NewAPIKey{Name: strings.TrimSpace(v.r.PostFormValue("name"))}
	for _, scope := range v.r.PostForm["scopes"] {
		n.Scopes = append(n.Scopes, subscription.Scope(scope))
	}
	if len(n.Scopes) == 0 {
		return v.showKeys(http.StatusUnprocessableEntity, keysView{Name: n.Name, Error: "Choose at least one thing that the key may do."})
	}
	_, text, err := v.Workspaces.CreateAPIKey(v.r.Context(), v.actor(), v.workspace, n)
	if invalid, ok := errors.AsType[subscription.Invalid](err); ok {
		return v.showKeys(http.StatusUnprocessableEntity, keysView{Name: n.Name, Error: upperFirst(invalid[0].Message) + "."})
	}
	if err != nil {
		return err
	}
	return v.showKeys(http.StatusOK, keysView{NewKey: text})
}

func (d *dashboard) revokeKey(v *visit) error {
	if err := v.Workspaces.RevokeAPIKey(v.r.Context(), v.actor(), v.workspace, v.id()); err != nil {
		return err
	}
	return v.say("revoked", v.base()+"/api-keys")
}
