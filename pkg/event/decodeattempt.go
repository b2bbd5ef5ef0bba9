package event

func (r *AttemptRecord) read(d *reader) {
	for d.open('{'); d.next('}'); {
		switch string(d.key) {
		case "id":
			r.ID = d.text()
		case "delivery_id":
			r.DeliveryID = d.text()
		case "webhook_id":
			r.WebhookID = d.text()
		case "workspace_id":
			r.WorkspaceID = d.text()
		case "event_id":
			r.EventID = d.text()
		case "event":
			r.Event = d.text()
		case "session_id":
			r.SessionID = d.text()
		case "occurrence":
			r.Occurrence = d.occurrence()
		case "source":
			r.Source = d.source()
		case "event_timestamp":
			r.EventTimestamp = d.text()
		case "chain":
			r.Chain = d.int()
		case "attempt":
			r.Attempt = d.int()
		case "epoch":
			r.Epoch = d.int64()
		default:
			r.readOutcome(d)
		}
	}
}

// readOutcome reads the fields that say what came of the attempt.
func (r *AttemptRecord) readOutcome(d *reader) {
	switch string(d.key) {
	case "trigger":
		r.Trigger = Trigger(d.text())
	case "timestamp":
		r.Timestamp = d.time()
	case "duration_ms":
		r.Duration = d.millis()
	case "status":
		r.Status = Status(d.text())
	case "http_status":
		r.HTTPStatus = d.int()
	case "error":
		r.Error = ErrorCode(d.text())
	case "error_detail":
		r.ErrorDetail = d.text()
	case "next_attempt_at":
		r.NextAttemptAt = d.time()
	case "delivery_status":
		r.DeliveryStatus = Status(d.text())
	case "request":
		r.Request.read(d)
	case "response":
		r.Response.read(d)
	case "timing":
		r.Timing.read(d)
	case "connection_reused":
		r.ConnectionReused = d.bool()
	default:
		d.skip()
	}
}

func (q *Request) read(d *reader) {
	if d.null() {
		return
	}
	for d.open('{'); d.next('}'); {
		switch string(d.key) {
		case "url":
			q.URL = d.text()
		case "headers":
			q.Headers = d.headers()
		case "body_sha256":
			q.BodySHA256 = d.digest()
		case "body_size":
			q.BodySize = d.int()
		default:
			d.skip()
		}
	}
}

func (p *Response) read(d *reader) {
	if d.null() {
		return
	}
	for d.open('{'); d.next('}'); {
		switch string(d.key) {
		case "headers":
			p.Headers = d.headers()
		case "body":
			// A copy: what bytes returns may be a part of the input.
			p.Body = append(Text{}, d.bytes()...)
		case "truncated":
			p.Truncated = d.bool()
		case "size":
			p.Size = d.int64()
		default:
			d.skip()
		}
	}
}

func (t *Timing) read(d *reader) {
	if d.null() {
		return
	}
	for d.open('{'); d.next('}'); {
		switch string(d.key) {
		case "dns_ms":
			t.DNS = d.millis()
		case "connect_ms":
			t.Connect = d.millis()
		case "tls_ms":
			t.TLS = d.millis()
		case "wait_ms":
			t.Wait = d.millis()
		case "read_ms":
			t.Read = d.millis()
		default:
			d.skip()
		}
	}
}
