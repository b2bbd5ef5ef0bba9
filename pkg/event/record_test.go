package event_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/voxagent/dispatcher/pkg/event"
)

var recordTime = time.UnixMilli(1795420801456).UTC()

func eventRecord() *event.EventRecord {
	return &event.EventRecord{
		EventID: "evt_1", Event: "SessionStarted", WorkspaceID: "ws_acme", SessionID: "ses_1", Occurrence: benchMeta.Occurrence("ws_acme"),
		Timestamp: "2026-11-23T10:00:00.1+02:00", RecordTimestamp: recordTime, ReceivedAt: recordTime.Add(time.Second),
		Source: benchMeta.Source(), Generation: 41, BodySize: 1012, BodySHA256: event.Digest{1, 2, 0xff},
		Matched:   []event.Match{{WebhookID: "wh_1", DeliveryID: "dlv_1"}, {WebhookID: "wh_2", DeliveryID: "dlv_2", Epoch: 5}},
		Unmatched: []event.Miss{{WebhookID: "wh_3", Reason: event.MissDisabled}, {WebhookID: "wh_4", Reason: event.MissFilterError}},
		Reason:    event.MissDuplicate,
	}
}

func attemptRecord() *event.AttemptRecord {
	o := benchMeta.Occurrence("ws_acme")
	return &event.AttemptRecord{
		ID: o.AttemptID("wh_1", 1, 3), DeliveryID: o.DeliveryID("wh_1"), WebhookID: "wh_1", WorkspaceID: "ws_acme", EventID: "evt_1",
		Event: "SessionStarted", SessionID: "ses_1", Occurrence: o, Source: benchMeta.Source(), EventTimestamp: "2026-11-23T08:00:00.123Z",
		Chain: 1, Attempt: 3, Trigger: event.TriggerRetry, Epoch: 7, Timestamp: recordTime, Duration: event.Millis(182041 * time.Microsecond),
		Status: event.Failed, HTTPStatus: 500, Error: "", ErrorDetail: "it said 500", NextAttemptAt: recordTime.Add(5 * time.Minute), DeliveryStatus: event.Pending,
		Request: event.Request{
			URL: "https://crm.example/hook?token=***", BodySize: 1012, BodySHA256: event.Digest{0xfe, 31: 1},
			Headers: []event.Header{{"Content-Type", "application/json"}, {"X-Voxagent-Signature", "***"}, {"X-Voxagent-Attempt", "3"}},
		},
		Response: event.Response{
			Headers: []event.Header{{"Content-Type", "text/plain"}, {"Set-Cookie", "a"}, {"Set-Cookie", "b"}},
			Body:    event.Text("{\"error\":\"db \u2028 down\"}\n"), Truncated: true, Size: 70000,
		},
		Timing:           event.Timing{DNS: event.Millis(time.Microsecond), Connect: event.Millis(1500 * time.Microsecond), TLS: event.Millis(20 * time.Millisecond), Wait: event.Millis(160 * time.Millisecond), Read: event.Millis(540 * time.Microsecond)},
		ConnectionReused: true,
	}
}

func deliveryRecord() *event.DeliveryRecord {
	o := benchMeta.Occurrence("ws_acme")
	return &event.DeliveryRecord{
		DeliveryID: o.DeliveryID("wh_1"), WebhookID: "wh_1", WorkspaceID: "ws_acme", EventID: "evt_1", Event: "SessionStarted", SessionID: "ses_1",
		Occurrence: o, Source: benchMeta.Source(), EventTimestamp: "2026-11-23T08:00:00.123Z", Chain: 2, Attempts: 3, Epoch: 8,
		Status: event.Pending, Cause: event.CauseRateLimited, NextAttemptAt: recordTime.Add(time.Second), At: recordTime,
	}
}

// records are one of each kind in full, and one of each with all that may be missing left out.
func records() []event.Record {
	bareEvent, bareAttempt, bareDelivery := eventRecord(), attemptRecord(), deliveryRecord()
	bareEvent.SessionID, bareEvent.BodySHA256, bareEvent.Reason = "", event.Digest{}, ""
	bareEvent.Matched, bareEvent.Unmatched = []event.Match{}, []event.Miss{}
	bareAttempt.HTTPStatus, bareAttempt.Error, bareAttempt.ErrorDetail, bareAttempt.Response = 0, event.ErrTimeout, "", event.Response{}
	bareAttempt.NextAttemptAt, bareAttempt.DeliveryStatus, bareAttempt.Timing, bareAttempt.ConnectionReused = time.Time{}, event.Failed, event.Timing{}, false
	bareAttempt.Request.BodySHA256, bareAttempt.Request.Headers = event.Digest{}, []event.Header{}
	bareDelivery.Status, bareDelivery.Cause, bareDelivery.NextAttemptAt, bareDelivery.Attempts = event.Cancelled, event.CauseDisabled, time.Time{}, 0
	return []event.Record{
		eventRecord(), bareEvent, attemptRecord(), bareAttempt, deliveryRecord(), bareDelivery,
		&event.ErasureRecord{ID: event.NewID(event.PrefixErasure, recordTime), WorkspaceID: "ws_acme", EventID: "evt_1", At: recordTime},
		&event.ErasureRecord{ID: event.NewID(event.PrefixErasure, recordTime), WorkspaceID: "ws_acme", SessionID: "ses_1", At: recordTime},
		webhookRecord(),
	}
}

func webhookRecord() *event.WebhookRecord {
	return &event.WebhookRecord{WorkspaceID: "ws_acme", WebhookID: "wh_1", Epoch: 9, Cause: event.CauseDisabled, At: recordTime}
}

func TestRecordsRoundTrip(t *testing.T) {
	for i, r := range records() {
		value := r.AppendJSON([]byte("x"))[1:]
		if !json.Valid(value) {
			t.Fatalf("record %d: %s", i, value)
		}
		back, err := event.DecodeRecord(r.RecordType(), value)
		if err != nil {
			t.Fatalf("record %d: %v", i, err)
		}
		if !reflect.DeepEqual(back, r) {
			t.Errorf("record %d:\n got %+v\nwant %+v", i, back, r)
		}
		if again := back.AppendJSON(nil); !bytes.Equal(again, value) {
			t.Errorf("record %d written again:\n got %s\nwant %s", i, again, value)
		}
		if std, err := json.Marshal(r); err != nil || !sameJSON(t, std, value) {
			t.Errorf("record %d: encoding/json writes %s, %v", i, std, err)
		}
		if r.Key() == "" || r.Workspace() != "ws_acme" || r.RecordID() == "" || r.RecordID() != back.RecordID() {
			t.Errorf("record %d: key %q, workspace %q, id %q, %q", i, r.Key(), r.Workspace(), r.RecordID(), back.RecordID())
		}
		// A field of a later version does no harm.
		more := append([]byte(`{"later":[{"x":1}],`), value[1:]...)
		if back, err := event.DecodeRecord(r.RecordType(), more); err != nil || !reflect.DeepEqual(back, r) {
			t.Errorf("record %d with an unknown field: %v", i, err)
		}
	}
}

func sameJSON(t *testing.T, a, b []byte) bool {
	t.Helper()
	var x, y any
	if json.Unmarshal(a, &x) != nil || json.Unmarshal(b, &y) != nil {
		return false
	}
	return reflect.DeepEqual(x, y)
}

func TestRecordText(t *testing.T) {
	e := eventRecord()
	e.BodySHA256, e.Matched, e.Unmatched = event.Digest{}, e.Matched[:1], nil
	const want = `{"event_id":"evt_1","event":"SessionStarted","workspace_id":"ws_acme","session_id":"ses_1","occurrence":"01M83PPH3VY1PW7BT4RSQP7FGM",` +
		`"timestamp":"2026-11-23T10:00:00.1+02:00","record_timestamp":"2026-11-23T08:00:01.456Z","received_at":"2026-11-23T08:00:02.456Z",` +
		`"source":{"topic":"voxagent.conversation.events","partition":7,"offset":123456},"generation":41,"body_size":1012,` +
		`"matched":[{"webhook_id":"wh_1","delivery_id":"dlv_1","epoch":0}],"unmatched":[],"reason":"duplicate"}`
	if got := string(e.AppendJSON(nil)); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	for _, part := range []string{`"duration_ms":182.041,`, `"dns_ms":0.001,"connect_ms":1.5,"tls_ms":20,`, `"http_status":500,"error":null,`, `["Set-Cookie","b"]`, `db \u2028 down`} {
		if got := string(attemptRecord().AppendJSON(nil)); !strings.Contains(got, part) {
			t.Errorf("no %s in %s", part, got)
		}
	}
	bare := string(records()[3].AppendJSON(nil))
	for _, part := range []string{`"http_status":null,"error":"timeout","next_attempt_at":null,`, `"response":null,`} {
		if !strings.Contains(bare, part) {
			t.Errorf("no %s in %s", part, bare)
		}
	}
}

func TestRecordIDs(t *testing.T) {
	o := benchMeta.Occurrence("ws_acme")
	for _, tc := range []struct {
		r    event.Record
		want string
	}{
		{eventRecord(), o.String() + ".41"},
		{attemptRecord(), attemptRecord().ID + ".1795420801456"},
		{deliveryRecord(), deliveryRecord().DeliveryID + ".2.3.pending.rate_limited.1795420801456"},
		{webhookRecord(), "ws_acme.wh_1.9"},
	} {
		if got := tc.r.RecordID(); got != tc.want {
			t.Errorf("%s, want %s", got, tc.want)
		}
	}
}

func TestDecodeRecordRefuses(t *testing.T) {
	if _, err := event.DecodeRecord("later", []byte("{}")); !errors.Is(err, event.ErrUnknownRecord) {
		t.Errorf("unknown type: %v", err)
	}
	for kind, values := range map[event.RecordType][]string{
		event.TypeEvent:    {"", "[]", `{"occurrence":"x"}`, `{"generation":"1"}`, `{"body_sha256":"ab"}`, `{"body_sha256":"` + strings.Repeat("zz", 32) + `"}`},
		event.TypeAttempt:  {"", "{", `{"duration_ms":"1"}`, `{"duration_ms":1e300}`, `{"timestamp":"yesterday"}`, `{"response":{"body":1}}`},
		event.TypeDelivery: {"", `{"at":1}`},
		event.TypeErasure:  {"", `{"at":1}`},
		event.TypeWebhook:  {"", `{"epoch":1.5}`},
	} {
		for _, v := range values {
			if r, err := event.DecodeRecord(kind, []byte(v)); err == nil || r != nil {
				t.Errorf("%s %q: %v, %v", kind, v, r, err)
			}
		}
	}
	if n, err := event.DecodeNotice([]byte("[]")); err == nil || n != nil {
		t.Errorf("notice: %v, %v", n, err)
	}
}

func TestDecodeFaults(t *testing.T) {
	for value, want := range map[string]string{
		"":                              "byte 0: expected an object",
		`{"id":1}`:                      "byte 6: expected a string",
		`{"chain":"1"}`:                 "byte 9: expected a whole number",
		`{"chain":1.5}`:                 "byte 9: expected a whole number",
		`{"chain":9223372036854775808}`: "byte 9: expected a whole number",
		`{"connection_reused":1}`:       "byte 21: expected true or false",
		`{"timing":[]}`:                 "byte 10: expected an object",
		`{"request":{"headers":{}}}`:    "byte 22: expected an array",
		`{"request":{"headers":[["a","b","c"]]}}`: "byte 32: expected a name and a value",
		`{"request":{"headers":[["a","b"}]}`:      "byte 31: expected a comma or a closing bracket",
		`{"occurrence":"x"}`:                      "byte 14: expected an occurrence",
		`{"timestamp":"x"}`:                       "byte 13: expected an RFC 3339 time",
		`{"id":"a"} x`:                            "byte 11: more bytes behind the object",
		`{"id":"a",}`:                             "byte 10: expected a key",
		"{\"id\":\"\xff\"}":                       "byte 7: invalid UTF-8",
	} {
		_, err := event.DecodeRecord(event.TypeAttempt, []byte(value))
		if err == nil || err.Error() != "decode attempt record: "+want {
			t.Errorf("%s: %v, want %s", value, err, want)
		}
	}
}

// Null stands for absent in every field, and names are taken as they are written.
func TestDecodeNulls(t *testing.T) {
	for i, r := range records() {
		var names map[string]json.RawMessage
		if err := json.Unmarshal(r.AppendJSON(nil), &names); err != nil {
			t.Fatal(err)
		}
		for name := range names {
			for _, value := range []string{`{"` + name + `":null}`, `{"` + strings.ToUpper(name) + `":7}`} {
				back, err := event.DecodeRecord(r.RecordType(), []byte(value))
				if err != nil || !reflect.ValueOf(back).Elem().IsZero() {
					t.Errorf("record %d, %s: %+v, %v", i, value, back, err)
				}
			}
		}
	}
}

// FuzzDecode: what is decoded was valid JSON, reads the same with encoding/json, and written and
// read again it stays as it is.
func FuzzDecode(f *testing.F) {
	for _, r := range records() {
		f.Add(string(r.RecordType()), r.AppendJSON(nil))
	}
	f.Fuzz(func(t *testing.T, kind string, value []byte) {
		r, err := event.DecodeRecord(event.RecordType(kind), value)
		if err != nil {
			return
		}
		if !json.Valid(value) || !utf8.Valid(value) {
			t.Fatalf("took %q", value)
		}
		once := r.AppendJSON(nil)
		again, err := event.DecodeRecord(r.RecordType(), once)
		if err != nil || !bytes.Equal(again.AppendJSON(nil), once) {
			t.Fatalf("%s became %+v, %v", once, again, err)
		}
		std := reflect.New(reflect.TypeOf(r).Elem()).Interface()
		if err := json.Unmarshal(once, std); err != nil || !reflect.DeepEqual(std, again) {
			t.Fatalf("%s: encoding/json reads %+v, %v; we %+v", once, std, err, again)
		}
	})
}

// What a receiver answers is hostile: it must come out as text, and as valid JSON.
func FuzzResponseText(f *testing.F) {
	for _, s := range []string{"", "plain", "\x00\x1f\x7f\"\\/", "é日😀", "\xff\xfe", "\xe2\x80", "\u2028\u2029", "</script>", "\xed\xa0\x80", "a\xf0\x9f\x98b"} {
		f.Add([]byte(s), s)
	}
	f.Fuzz(func(t *testing.T, body []byte, header string) {
		r := attemptRecord()
		r.Response.Body, r.Response.Headers = body, []event.Header{{header, header}}
		r.Request.URL, r.SessionID = header, header
		value := r.AppendJSON(nil)
		if !json.Valid(value) || !utf8.Valid(value) || bytes.ContainsAny(value, "\u2028\u2029") {
			t.Fatalf("%q", value)
		}
		back, err := event.DecodeRecord(event.TypeAttempt, value)
		if err != nil {
			t.Fatal(err)
		}
		want := func(s string) string { return string([]rune(s)) } // one U+FFFD for each bad byte
		got := back.(*event.AttemptRecord)
		if string(got.Response.Body) != want(string(body)) || got.SessionID != want(header) || got.Response.Headers[0][1] != want(header) {
			t.Fatalf("%q became %q; %q became %q", body, got.Response.Body, header, got.SessionID)
		}
	})
}

func TestMillis(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0", time.Microsecond: "0.001", 10 * time.Microsecond: "0.01", 999 * time.Nanosecond: "0", time.Second: "1000", 5*time.Second + 20*time.Microsecond: "5000.02",
		-1500 * time.Microsecond: "-1.5",
	} {
		got, err := json.Marshal(event.Millis(d))
		if err != nil || string(got) != want {
			t.Errorf("%v: %s %v, want %s", d, got, err, want)
		}
		var back event.Millis
		if err := json.Unmarshal(got, &back); err != nil || back.Duration() != d.Truncate(time.Microsecond) {
			t.Errorf("%v read as %v, %v", d, back.Duration(), err)
		}
	}
}

func notices() []*event.Notice {
	base := func(kind event.NoticeType) *event.Notice {
		return &event.Notice{ID: event.NoticeID(kind, recordTime, "wh_1"), Type: kind, Timestamp: recordTime, WorkspaceID: "ws_acme"}
	}
	failing, disabled, recovered := base(event.NoticeWebhookFailing), base(event.NoticeWebhookDisabled), base(event.NoticeWebhookRecovered)
	failed, dead := base(event.NoticeDeliveryFailed), base(event.NoticeDeadLettered)
	failing.WebhookID, failing.FailingSince, failing.Attempts, failing.HTTPStatus = "wh_1", recordTime, 40, 500
	disabled.WebhookID, disabled.Reason, disabled.Detail = "wh_1", "gone", "Your server answered 410."
	recovered.WebhookID = "wh_1"
	failed.WebhookID, failed.DeliveryID, failed.EventID, failed.Event, failed.SessionID, failed.Reason = "wh_1", "dlv_1", "evt_1", "X", "ses_1", string(event.CauseExpired)
	dead.WorkspaceID, dead.Source, dead.Reason, dead.Detail = "", benchMeta.Source(), string(event.BadJSON), "byte 3: expected a key"
	lost := base(event.NoticeEventsLost)
	lost.WorkspaceID, lost.Source, lost.Count, lost.Detail = "", benchMeta.Source(), 50, "Kafka deleted them."
	return []*event.Notice{failing, disabled, recovered, failed, dead, lost}
}

func TestNoticesRoundTrip(t *testing.T) {
	for _, n := range notices() {
		value := n.AppendJSON(nil)
		back, err := event.DecodeNotice(value)
		if err != nil || !reflect.DeepEqual(back, n) || n.Key() != n.WorkspaceID {
			t.Errorf("%s\n got %+v, %v\nwant %+v", value, back, err, n)
		}
		if std, err := json.Marshal(n); err != nil || !sameJSON(t, std, value) {
			t.Errorf("encoding/json writes %s, %v", std, err)
		}
	}
}

func TestAppendJSONAllocations(t *testing.T) {
	dst := make([]byte, 0, 64<<10)
	for _, r := range records() {
		if n := testing.AllocsPerRun(100, func() { dst = r.AppendJSON(dst[:0]) }); n != 0 {
			t.Errorf("%s record: %v allocations", r.RecordType(), n)
		}
	}
}

func BenchmarkRecords(b *testing.B) {
	dst := make([]byte, 0, 64<<10)
	for _, r := range []event.Record{eventRecord(), attemptRecord(), deliveryRecord()} {
		value := r.AppendJSON(nil)
		b.Run(fmt.Sprintf("%s/append", r.RecordType()), func(b *testing.B) {
			b.SetBytes(int64(len(value)))
			b.ReportAllocs()
			for b.Loop() {
				dst = r.AppendJSON(dst[:0])
			}
		})
		b.Run(fmt.Sprintf("%s/decode", r.RecordType()), func(b *testing.B) {
			b.SetBytes(int64(len(value)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := event.DecodeRecord(r.RecordType(), value); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
