package dashboard

import (
	"strings"
	"time"

	"github.com/voxagent/dispatcher/internal/subscription"
	"github.com/voxagent/dispatcher/pkg/event"
)

type auditView struct {
	Rows  []auditRow
	Pager pager
}

type auditRow struct {
	At                        time.Time
	Who, What, On, Href, From string
}

func (d *dashboard) auditPage(v *visit) error {
	l, err := v.Workspaces.AuditLog(v.r.Context(), v.workspace, subscription.Page{Limit: pageSize, Cursor: v.r.URL.Query().Get("cursor")})
	if err != nil {
		return err
	}
	view := auditView{Pager: v.pager(l.Next, "")}
	for i := range l.Items {
		e := &l.Items[i]
		row := auditRow{At: e.At, Who: who(&e.Actor), What: sentence(e.Action), On: e.TargetID, From: e.Actor.Addr}
		if strings.HasPrefix(e.TargetID, event.PrefixWebhook) && thingID.MatchString(e.TargetID) {
			row.Href = v.webhookHref(e.TargetID)
		}
		view.Rows = append(view.Rows, row)
	}
	return v.show("audit", "Audit log", "audit", view)
}

// who names an actor: the person, with the key in brackets.
func who(a *subscription.Actor) string {
	name := a.KeyID
	if a.Operator {
		name = "operator " + name
	}
	if a.Name != "" {
		name = a.Name + " (" + name + ")"
	}
	return name
}

// sentence turns `webhook.update` into `Webhook: update`.
func sentence(action string) string {
	subject, verb, ok := strings.Cut(strings.ReplaceAll(action, "_", " "), ".")
	if !ok {
		return upperFirst(action)
	}
	return upperFirst(subject) + ": " + verb
}
