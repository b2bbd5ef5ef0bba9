// Command bench measures what a delivery costs: CPU of `dispatcher serve` for each delivery (Kafka in, signed POST out,
// history acknowledged), beside a bare net/http client that posts the same bodies to the same receiver in the same run.
// Only the ratio of the two means something: the machines that this runs on are noisy.
//
//	make bench                       # starts the services and runs this
//	go run ./scripts/bench -rounds 5 -events 100000
//
// Receiver, client and dispatcher are processes of their own. Rounds of client and dispatcher alternate; each figure is
// the median of its rounds. The dispatcher's CPU is all that its process used, start and end included, so it is an upper
// bound; events are published before it starts, so that the publisher's load is not in the figures.
package main
