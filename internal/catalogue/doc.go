// Package catalogue knows the event types: what each is called, what it means, an example and its limits. It is
// configuration: a new type needs a line in a file, not a release. A type that is not listed still reaches webhooks that
// chose it by a pattern (`*`, `Conversation*`).
//
//	c, err := catalogue.Parse(content) // or catalogue.Default()
//
// The file is a JSON array:
//
//	[{"name":"CallTransferred","description":"…","example":{…},"schema":{…},"max_age":"24h"}]
//
// description, example (an event's data), schema (a JSON Schema of data) and max_age are optional. An example must fit its
// schema. Events are not checked by schemas: what the platform published is delivered.
package catalogue
