// Package e2e proves the product's promises from the outside: it builds the program, runs it as processes against a real
// Kafka, Redis and PostgreSQL, and looks only at what a user sees: requests that arrive, the API, the topics, exit codes.
//
// It holds tests only. Each installation has topics, a database and a key prefix of its own.
package e2e
