package api

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"
)

// mergePatch is the other media type of a PATCH's body (RFC 7396); it means the same.
const mergePatch = "application/merge-patch+json"

// document is the OpenAPI document, made once: it never changes while the program runs.
func (s *server) document() ([]byte, error) {
	doc := s.api.OpenAPI()
	schemas := doc.Components.Schemas.Map()
	delete(schemas, "ErrorModel") // huma's own; every error of ours is a Problem
	delete(schemas, "ErrorDetail")
	for _, schema := range schemas {
		allowNull(schema)
	}
	addLinks(doc)
	if s.Quotas != nil {
		documentQuotas(doc)
	}
	for _, item := range doc.Paths {
		if item.Patch != nil {
			content := item.Patch.RequestBody.Content
			content[mergePatch] = content["application/json"]
		}
	}
	b, err := json.Marshal(doc)
	if err != nil {
		return nil, fmt.Errorf("api: write OpenAPI document: %w", err)
	}
	return b, nil
}

// links say what id an answer holds: all operations below path take the one at value.
var links = []struct{ operation, value, path string }{
	{"create-webhook", "$response.body#/id", webhookPath},
	{"test-webhook", "$response.body#/delivery_id", deliveryPath},
	{"create-api-key", "$response.body#/id", keyPath},
}

func addLinks(doc *huma.OpenAPI) {
	all := operations(doc)
	for _, l := range links {
		from := all[slices.IndexFunc(all, func(o *huma.Operation) bool { return o.OperationID == l.operation })]
		answer := from.Responses[strconv.Itoa(from.DefaultStatus)]
		answer.Links = map[string]*huma.Link{}
		for _, to := range all {
			if to.Path == l.path || strings.HasPrefix(to.Path, l.path+"/") {
				answer.Links[to.OperationID] = &huma.Link{OperationID: to.OperationID, Parameters: map[string]any{
					"workspace_id": "$request.path.workspace_id", "id": l.value,
				}}
			}
		}
	}
}

// allowNull makes the enumerations of properties that may be null say so: to JSON Schema the type alone is not enough.
func allowNull(schema *huma.Schema) {
	for _, p := range schema.Properties {
		if p.Nullable && len(p.Enum) > 0 {
			p.Enum = append(p.Enum, nil)
		}
	}
}

// orNullRef lets a property that refers to another schema be null, which huma has no word for.
func orNullRef(schema *huma.Schema, name string) *huma.Schema {
	p := *schema.Properties[name]
	schema.Properties[name] = &huma.Schema{
		Description: p.Description, AnyOf: []*huma.Schema{{Ref: p.Ref}, {Type: "null"}},
	}
	return schema
}
