package dashboard

import (
	"context"
	"fmt"
	"time"

	"github.com/voxagent/dispatcher/internal/history/store"
)

// hours is how many bars a strip has: the last 24, the running one included.
const hours = 24

// day is what happened to one webhook in the last hours.
type day struct {
	Start time.Time
	Hours [hours]struct{ Succeeded, Failed, Pending int }
}

func (d *day) sums() (succeeded, failed, pending int) {
	for _, h := range &d.Hours {
		succeeded, failed, pending = succeeded+h.Succeeded, failed+h.Failed, pending+h.Pending
	}
	return succeeded, failed, pending
}

// rate is the share of attempts that succeeded, in words.
func (d *day) rate() string {
	ok, bad, _ := d.sums()
	switch {
	case ok+bad == 0:
		return "nothing sent"
	case bad == 0:
		return "100 %"
	default:
		return fmt.Sprintf("%.1f %%", min(99.9, 100*float64(ok)/float64(ok+bad)))
	}
}

// days reads the last hours of some webhooks in one query.
func (v *visit) days(ctx context.Context, webhooks []string) (map[string]*day, error) {
	start := v.now.UTC().Truncate(time.Hour).Add(-(hours - 1) * time.Hour)
	out := make(map[string]*day, len(webhooks))
	for _, id := range webhooks {
		out[id] = &day{Start: start}
	}
	if len(webhooks) == 0 {
		return out, nil
	}
	buckets, err := v.History.Stats(ctx, store.StatsQuery{
		WorkspaceID: v.workspace, WebhookIDs: webhooks, Since: start, Until: start.Add(hours * time.Hour), Step: time.Hour,
	})
	if err != nil {
		return nil, fmt.Errorf("read statistics: %w", err)
	}
	for _, b := range buckets {
		i := int(b.Start.Sub(start) / time.Hour)
		if d := out[b.WebhookID]; d != nil && i >= 0 && i < hours {
			h := &d.Hours[i]
			h.Succeeded, h.Failed, h.Pending = h.Succeeded+b.Succeeded, h.Failed+b.Failed, h.Pending+b.Pending
		}
	}
	return out, nil
}

// bars is a strip of stacked bars, drawn by templates as SVG.
type bars struct {
	Wide  bool
	W, H  int
	Label string
	Rects []rect
}

type rect struct {
	Class      string
	X, Y, W, H int
	Title      string
}

// barWidth of one hour, of which barGap stays empty; barHeight of the highest, barFloor of the lowest that is not zero.
const (
	barWidth  = 10
	barGap    = 3
	barHeight = 48
	barFloor  = 5
)

func (d *day) bars(wide bool) bars {
	b := bars{Wide: wide, W: hours*barWidth - barGap, H: barHeight}
	highest := 1
	for _, h := range &d.Hours {
		highest = max(highest, h.Succeeded+h.Failed+h.Pending)
	}
	for i, h := range &d.Hours {
		x, y := i*barWidth, barHeight
		title := fmt.Sprintf("%s UTC: %s succeeded, %s failed, %s waiting", d.Start.Add(time.Duration(i)*time.Hour).Format(hourLayout),
			count(h.Succeeded), count(h.Failed), count(h.Pending))
		for _, part := range []struct {
			class string
			n     int
		}{{"ok", h.Succeeded}, {"wait", h.Pending}, {"fail", h.Failed}} {
			if part.n == 0 {
				continue
			}
			height := min(max(barFloor, part.n*barHeight/highest), y)
			y -= height
			b.Rects = append(b.Rects, rect{part.class, x, y, barWidth - barGap, height, title})
		}
		if y == barHeight {
			b.Rects = append(b.Rects, rect{"none", x, barHeight - 2, barWidth - barGap, 2, title})
		}
	}
	ok, bad, pending := d.sums()
	b.Label = fmt.Sprintf("In the last 24 hours %s succeeded, %s failed, %s waiting", count(ok), count(bad), count(pending))
	return b
}
