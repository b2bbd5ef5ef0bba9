// Package catalogue knows the event types: what each is called, what it means, an example and its limits. It is
// configuration: a new type needs a line in a file, not a release. A type that is not listed still reaches webhooks that
// chose it by a pattern (`*`, `Conversation*`).
//
//	c, err := catalogue.Load("event-types.json") // or catalogue.Default()
//	c.Selectable("Conversation*")                // may a webhook choose it?
//
// The file is a JSON array:
//
//	[{"name":"CallTransferred","description":"…","example":{…},"schema":{…},"max_age":"24h"}]
//
// description, example (an event's data), schema (a JSON Schema of data) and max_age are optional.
package catalogue
