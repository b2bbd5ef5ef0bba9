// Package filter judges events by expressions that customers write: CEL over two names, event (the event's type, a
// string) and data (the event's data, as it was published).
//
//	event == "ConversationComplete" && data.duration_seconds > 60
//	has(data.campaign_id) && data.history.exists(m, m.role == "User" && m.content.contains("refund"))
//
// Whole numbers of data are CEL's int where they fit, all others double; numbers of different kinds can be compared, and
// int(…) and double(…) make them fit for calculation. A property that is not there is an error; has(…) asks for it.
//
// The language is CEL's standard one, less what cannot be bounded well: the pattern of matches(…) is a literal, and times
// are told in UTC only.
//
// # Invariants
//
//	bounded        an evaluation costs at most costLimit, in units of about 100 ns, and once all of one event have come to
//	               limitOf its size the rest are errors; so are those beyond maxRead of text. That follows from expressions
//	               and event alone, so a repeated record is judged alike. What a filter takes in memory is bounded too, and
//	               told.
//	parsed-once    data is taken apart once for all filters of an event, and only when one of them asks for it; of its
//	               properties only those are decoded that are asked for.
//	no-surprise    what Compile accepts is evaluated to true, false, or an error; never a panic.
//
// The smallest use:
//
//	f, err := filter.Compile(`data.duration_seconds > 60`)
//	yes, err := f.Match(filter.NewInput(eventType, data))
package filter
