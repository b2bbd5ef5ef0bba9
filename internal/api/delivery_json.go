package api

import "github.com/voxagent/dispatcher/internal/history/store"

// Delivery is one event for one webhook.
type Delivery struct {
	ID            string  `json:"id" example:"dlv_01JD9Q3M8K5T7V2X4Z6B8D0F2H" doc:"Its id."`
	WebhookID     string  `json:"webhook_id" example:"wh_01JD9Q3M8K5T7V2X4Z6B8D0F2H" doc:"The webhook."`
	EventID       string  `json:"event_id" example:"evt_01JD9Q3M8K5T7V2X4Z6B8D0F2H" doc:"The event."`
	Event         string  `json:"event" example:"ConversationComplete" doc:"The event's type."`
	SessionID     string  `json:"session_id" example:"ses_8f41" doc:"The event's session."`
	Status        string  `json:"status" enum:"pending,succeeded,failed,cancelled" doc:"Its state."`
	Attempts      int     `json:"attempts" example:"3" doc:"How many attempts were made."`
	NextAttemptAt *Time   `json:"next_attempt_at" nullable:"true" doc:"When the next one starts, or before when not; null: at once, or never."`
	CreatedAt     Time    `json:"created_at" doc:"When the event was published."`
	CompletedAt   *Time   `json:"completed_at" nullable:"true" doc:"When it ended; null while pending."`
	Cause         *string `json:"cause" example:"breaker_open" doc:"Why it is in this state when no attempt led to it: what a pending one waits for, why one was cancelled."`
}

// WholeDelivery is a delivery with its attempts.
type WholeDelivery struct {
	Delivery
	History []Attempt `json:"history" nullable:"false" doc:"Its attempts, oldest first."`
}

func deliveryJSON(d *store.Delivery) Delivery {
	return Delivery{
		ID: d.ID, WebhookID: d.WebhookID, EventID: d.EventID, Event: d.Event, SessionID: d.SessionID,
		Status: string(d.Status), Attempts: d.Attempts, NextAttemptAt: optionalTime(d.NextAttemptAt),
		CreatedAt: Time{d.CreatedAt}, CompletedAt: optionalTime(d.CompletedAt), Cause: orNull(string(d.Cause)),
	}
}

func wholeDeliveryJSON(d *store.DeliveryDetail) WholeDelivery {
	w := WholeDelivery{Delivery: deliveryJSON(&d.Delivery), History: make([]Attempt, len(d.History))}
	for i := range d.History {
		w.History[i] = attemptJSON(&d.History[i])
	}
	return w
}
