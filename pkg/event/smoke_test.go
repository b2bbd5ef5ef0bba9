package event

import "testing"

func TestSmoke(t *testing.T) {
	e, err := Parse([]byte(`{"event":"A","workspace_id":"w","x":[1,{"a":[]},"é\u00e9"],"data":{"k":1.10}}`), Meta{Topic: "t"}, 0)
	t.Log(e, err, string(AppendBody(nil, &e)))
	if err != nil || string(e.Data) != `{"k":1.10}` {
		t.Fatal(e, err)
	}
}
