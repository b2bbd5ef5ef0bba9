package dashboard

import (
	"net/url"
	"slices"
	"strings"

	"github.com/voxagent/dispatcher/internal/subscription"
)

type webhooksView struct {
	Rows  []webhookRow
	Pager pager
}

type webhookRow struct {
	Href, Name, URL string
	Described       bool // the name is the description, so the URL stands below it
	Types, TypeList string
	Bars            bars
	Rate            string
	Status          status
	StatusNote      string
}

func (d *dashboard) webhooksPage(v *visit) error {
	ctx := v.r.Context()
	l, err := v.Webhooks.Webhooks(ctx, v.workspace, subscription.Page{Limit: pageSize, Cursor: v.r.URL.Query().Get("cursor")})
	if err != nil {
		return err
	}
	ids := make([]string, len(l.Items))
	for i := range l.Items {
		ids[i] = l.Items[i].ID
	}
	days, err := v.days(ctx, ids)
	if err != nil {
		return err
	}
	view := webhooksView{Pager: v.pager(l.Next, "")}
	for i := range l.Items {
		w := &l.Items[i]
		day := days[w.ID]
		view.Rows = append(view.Rows, webhookRow{
			Href: v.base() + "/webhooks/" + w.ID, Name: webhookName(w), URL: w.URL, Described: w.Description != "",
			Types: typesText(w.EventTypes), TypeList: plain(strings.Join(w.EventTypes, ", ")),
			Bars: day.bars(false), Rate: day.rate(), Status: webhookStatus(w), StatusNote: webhookNote(w, v.now),
		})
	}
	return v.show("webhooks", "Webhooks", "webhooks", view)
}

// webhookName is what a webhook is called: its description, else its address.
func webhookName(w *subscription.Webhook) string {
	if name := strings.TrimSpace(w.Description); name != "" {
		return plain(name)
	}
	if u, err := url.Parse(w.URL); err == nil && u.Host != "" {
		return plain(u.Host + u.Path)
	}
	return plain(w.URL)
}

func typesText(types []string) string {
	if slices.Contains(types, "*") {
		return "all"
	}
	return plural(len(types), "type", "types")
}
