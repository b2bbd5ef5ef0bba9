package dashboard

import (
	"errors"
	"net/http"
	"time"

	"github.com/voxagent/dispatcher/internal/api/auth"
	"github.com/voxagent/dispatcher/internal/subscription"
)

type loginView struct {
	To, Error string
}

func (d *dashboard) loginPage(v *visit) error {
	return v.showLogin(http.StatusOK, loginView{To: local(v.r.URL.Query().Get("to"))})
}

func (v *visit) showLogin(status int, content loginView) error {
	p := v.frame("Sign in", "")
	p.Gate, p.C = true, content
	return v.views.render(v.w, status, "login", p)
}

func (d *dashboard) login(v *visit) error {
	key, to := v.r.PostFormValue("key"), local(v.r.PostFormValue("to"))
	_, err := v.Keyring.Authenticate(v.r.Context(), key)
	if errors.Is(err, auth.ErrBadKey) {
		return v.showLogin(http.StatusUnauthorized, loginView{To: to, Error: "This key is not valid: unknown, expired or revoked."})
	}
	if err != nil {
		return err
	}
	if err := v.cookies.start(v.w, v.r, key); err != nil {
		return err
	}
	return v.redirect(to)
}

func (d *dashboard) logout(v *visit) error {
	v.cookies.end(v.w, v.r)
	return v.redirect("/login")
}

// themeLength is how long the choice of a theme is remembered.
const themeLength = 365 * 24 * time.Hour

func (d *dashboard) chooseTheme(v *visit) error {
	if choice := v.r.PostFormValue("theme"); choice == "light" || choice == "dark" {
		v.cookies.set(v.w, v.r, themeCookie, choice, themeLength)
	}
	return v.redirect(local(v.r.PostFormValue("to")))
}

// home leads to the one workspace of the key, or lets an operator choose.
func (d *dashboard) home(v *visit) error {
	if v.principal.Operator {
		return v.redirect("/workspaces")
	}
	return v.redirect("/w/" + v.principal.WorkspaceID + "/webhooks")
}

func (d *dashboard) workspaceHome(v *visit) error { return v.redirect(v.base() + "/webhooks") }

type workspacesView struct {
	Rows  []workspaceRow
	Pager pager
	Error string
}

type workspaceRow struct {
	ID, Href string
	Webhooks int
	Status   status
}

func (d *dashboard) workspacesPage(v *visit) error {
	if !v.principal.Operator {
		return errNotFound
	}
	view := workspacesView{}
	if v.r.URL.Query().Has("bad") {
		view.Error = "A workspace ID has 1 to 64 of A–Z a–z 0–9 _ -"
	}
	l, err := v.Workspaces.Workspaces(v.r.Context(), subscription.Page{Limit: pageSize, Cursor: v.r.URL.Query().Get("cursor")})
	if err != nil {
		return err
	}
	for i := range l.Items {
		w := &l.Items[i]
		row := workspaceRow{ID: w.ID, Href: "/w/" + w.ID + "/webhooks", Webhooks: w.Webhooks, Status: status{"ok", "Active"}}
		if w.Suspended {
			row.Status = status{"off", "Suspended"}
		}
		view.Rows = append(view.Rows, row)
	}
	view.Pager = v.pager(l.Next, "")
	return v.show("workspaces", "Workspaces", "workspaces", view)
}

func (d *dashboard) openWorkspace(v *visit) error {
	id := v.r.URL.Query().Get("workspace")
	if !workspaceID.MatchString(id) {
		return v.redirect("/workspaces?bad=1")
	}
	return v.redirect("/w/" + id + "/webhooks")
}
