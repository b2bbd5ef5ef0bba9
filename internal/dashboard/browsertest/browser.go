package browsertest

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto"
	"github.com/chromedp/chromedp"
)

// patience is how long something may take to be seen: longer than a live refresh and a slow machine together.
const patience = 20 * time.Second

// Browser is one window of Chromium. Every method fails the test when it cannot do what it says.
type Browser struct {
	t   testing.TB
	ctx context.Context //nolint:containedctx // chromedp keeps the browser in it

	mu       sync.Mutex
	messages []string
	readers  sync.WaitGroup
}

// Open starts Chromium without a window. A machine without it fails the test.
func Open(t testing.TB) *Browser {
	t.Helper()
	path, err := exec.LookPath("chromium")
	if err != nil {
		t.Fatalf("no Chromium in PATH (Debian: apt-get install chromium): %v", err)
	}
	alloc, stop := chromedp.NewExecAllocator(t.Context(), chromedp.ExecPath(path), chromedp.Headless, chromedp.NoSandbox,
		chromedp.DisableGPU, chromedp.NoFirstRun, chromedp.NoDefaultBrowserCheck,
		chromedp.Flag("disable-background-networking", true), chromedp.Flag("disable-component-update", true),
		chromedp.Flag("disable-sync", true), chromedp.Flag("disable-dev-shm-usage", true))
	t.Cleanup(stop)
	ctx, cancel := chromedp.NewContext(alloc)
	b := &Browser{t: t, ctx: ctx}
	t.Cleanup(func() {
		cancel()
		b.readers.Wait()
	})
	if err := chromedp.Do(ctx); err != nil { // the first use starts the browser, which lives as long as this context
		t.Fatalf("start Chromium: %v", err)
	}
	b.readers.Go(b.listen(chromedp.Console(ctx)))
	b.Width(1280)
	return b
}

// listen collects what the page writes to the console, until the browser ends.
func (b *Browser) listen(console func(yield func(chromedp.ConsoleMessage, error) bool)) func() {
	return func() {
		for m, err := range console {
			if err != nil {
				return
			}
			if m.Type == "error" || m.Type == "warning" || m.IsException() {
				b.mu.Lock()
				b.messages = append(b.messages, m.String())
				b.mu.Unlock()
			}
		}
	}
}

func (b *Browser) do(steps ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	err := chromedp.Do(ctx, steps...)
	for replaced(err) && ctx.Err() == nil {
		err = chromedp.Do(ctx, steps...)
	}
	if err != nil {
		b.t.Fatalf("browser: %v; the page shows:\n%s", err, b.Text())
	}
}

// replaced tells whether a step met an element that the page replaced in this moment: by following a link, or by a live
// refresh. It had no effect.
func replaced(err error) bool {
	e, ok := errors.AsType[*cdproto.Error](err)
	return ok && e.Code == -32000
}

// Width makes the window this many pixels wide.
func (b *Browser) Width(pixels int64) { b.t.Helper(); b.do(chromedp.EmulateViewport(pixels, 900)) }

// Go opens an address.
func (b *Browser) Go(url string) { b.t.Helper(); b.do(chromedp.Navigate(url)) }

// SignIn opens the dashboard at base and signs in.
func (b *Browser) SignIn(base, key string) {
	b.t.Helper()
	b.Go(base + "/")
	b.Fill("API key", key)
	b.Click("Sign in")
}

// labelled is the field of the label with this text.
func labelled(label string) chromedp.JSPath {
	return chromedp.JSPath(`[...document.querySelectorAll("label")].find(l => l.textContent.trim() === ` + strconv.Quote(label) + `)?.control ?? null`)
}

// Fill replaces what is in the field with this label.
func (b *Browser) Fill(label, text string) {
	b.t.Helper()
	field := labelled(label)
	b.do(chromedp.WaitVisible(field))
	Eval[string](b, "("+string(field)+`).value = ""`)
	b.do(chromedp.SendKeys(field, text))
}

// Press types keys into the field with this label, behind what is in it.
func (b *Browser) Press(label, keys string) {
	b.t.Helper()
	field := labelled(label)
	b.do(chromedp.WaitVisible(field), chromedp.SendKeys(field, keys))
}

// Check clicks the checkbox with this label if it is not as wanted.
func (b *Browser) Check(label string, wanted bool) {
	b.t.Helper()
	box := labelled(label)
	b.do(chromedp.WaitVisible(box))
	if Eval[bool](b, "("+string(box)+").checked") != wanted {
		b.do(chromedp.Click(box))
	}
}

// Choose selects an option of the field with this label.
func (b *Browser) Choose(label, option string) {
	b.t.Helper()
	b.do(chromedp.SetValue(labelled(label), option))
}

// Click clicks the visible link or button with this text.
func (b *Browser) Click(text string) {
	b.t.Helper()
	target := chromedp.JSPath(`[...document.querySelectorAll("a, button, summary")].find(e => e.checkVisibility() && e.innerText.trim() === ` +
		strconv.Quote(text) + `) ?? null`)
	b.do(chromedp.WaitVisible(target), chromedp.Click(target))
}

// OpenRow clicks the first row of the page's table in which the cell under the heading has this text.
func (b *Browser) OpenRow(heading, text string) {
	b.t.Helper()
	b.until(fmt.Sprintf("a row with %s = %q", heading, text), func() bool { return b.hasRow(heading, text) })
	row := chromedp.JSPath(`[...document.querySelectorAll("table")].flatMap(t => {
		const i = [...t.querySelectorAll("thead th")].findIndex(h => h.textContent.trim() === ` + strconv.Quote(heading) + `);
		return i < 0 ? [] : [...t.querySelectorAll("tbody tr")].filter(r => r.cells[i].innerText.trim().split("\n")[0] === ` + strconv.Quote(text) + `);
	})[0]?.querySelector("a") ?? null`)
	b.do(chromedp.Click(row))
}

// Rows are the rows of the page's tables as texts by heading.
func (b *Browser) Rows() []map[string]string {
	b.t.Helper()
	return Eval[[]map[string]string](b, `[...document.querySelectorAll("table")].flatMap(t => {
		const heads = [...t.querySelectorAll("thead th")].map(h => h.textContent.trim());
		return [...t.querySelectorAll("tbody tr")].map(r => Object.fromEntries([...r.cells].map((c, i) => [heads[i] ?? String(i), c.innerText.trim()])));
	})`)
}

func (b *Browser) hasRow(heading, text string) bool {
	for _, row := range b.Rows() {
		if first, _, _ := strings.Cut(row[heading], "\n"); first == text {
			return true
		}
	}
	return false
}

// SeeRow waits until a row has this text under the heading.
func (b *Browser) SeeRow(heading, text string) {
	b.t.Helper()
	b.until(fmt.Sprintf("a row with %s = %q", heading, text), func() bool { return b.hasRow(heading, text) })
}

// See waits until the page shows each text.
func (b *Browser) See(texts ...string) {
	b.t.Helper()
	for _, text := range texts {
		b.until(fmt.Sprintf("%q", text), func() bool { return strings.Contains(b.Text(), text) })
	}
}

// SeeNot fails if the page shows the text now.
func (b *Browser) SeeNot(text string) {
	b.t.Helper()
	if strings.Contains(b.Text(), text) {
		b.t.Fatalf("browser: the page shows %q", text)
	}
}

// Text is what the page shows.
func (b *Browser) Text() string {
	b.t.Helper()
	return Eval[string](b, `document.body?.innerText ?? ""`)
}

// URL is where the browser is.
func (b *Browser) URL() string { b.t.Helper(); return Eval[string](b, "location.href") }

// At waits until the browser is at an address with this part. A click on a link ends before the page does: what the new page
// shares with the old one is not to be looked for earlier.
func (b *Browser) At(part string) {
	b.t.Helper()
	b.until("an address with "+part, func() bool { return strings.Contains(b.URL(), part) })
}

// until waits for what the page does by itself.
func (b *Browser) until(what string, seen func() bool) {
	b.t.Helper()
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for !seen() {
		select {
		case <-tick.C:
		case <-deadline.C:
			b.t.Fatalf("browser: waited %s for %s; the page shows:\n%s", patience, what, b.Text())
		}
	}
}

// Eval is the value of a JavaScript expression on the page. While the page changes to another one it is the zero value.
func Eval[T any](b *Browser, expression string) T {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	v, err := chromedp.Run(ctx, chromedp.Evaluate[T](expression))
	if err != nil {
		b.t.Logf("browser: %s: %v", expression, err)
	}
	return v
}

// Clean fails if the page wrote an error or a warning to the console, or a script of a payload ran.
func (b *Browser) Clean() {
	b.t.Helper()
	if Eval[bool](b, `"broken" in window`) {
		b.t.Error("browser: a script in a payload ran")
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, m := range b.messages {
		b.t.Errorf("browser: console: %s", m)
	}
}
