package dashboard

// pageSize is how many rows a page of a list has.
const pageSize = 50

// pager leads to the newest page and to the next older one; empty where there is none.
type pager struct{ First, Next string }

// pager of the list on this page; anchor is where the list stands, such as #history.
func (v *visit) pager(next, anchor string) pager {
	var p pager
	if v.r.URL.Query().Get("cursor") != "" {
		p.First = v.with("cursor", "") + anchor
	}
	if next != "" {
		p.Next = v.with("cursor", next) + anchor
	}
	return p
}

// with is this page's address with another value of one parameter; an empty one removes it. A change of anything but
// the cursor begins at the newest page again.
func (v *visit) with(name, value string) string {
	q := v.r.URL.Query()
	q.Del("cursor")
	q.Del(name)
	if value != "" {
		q.Set(name, value)
	}
	if len(q) == 0 {
		return v.r.URL.Path
	}
	return v.r.URL.Path + "?" + q.Encode()
}

// link is one of several states of a page.
type link struct {
	Name, Href string
	Current    bool
}

// option is one choice of a select.
type option struct {
	Value, Name string
	Current     bool
}

// pair is a hidden field.
type pair struct{ Name, Value string }
