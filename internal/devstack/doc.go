// Package devstack holds the embedded ends of `dispatcher dev`: a broker that speaks Kafka's protocol, a Redis and a
// receiver, all in this process and on loopback only. The dispatcher in between is the same as in production: it reaches
// them over TCP by the same clients.
//
// With a data folder the broker's records and offsets outlive the process, also a kill -9; Redis holds only what can be
// lost. One process at a time may use a data folder: it is locked.
//
// It is not a cluster: one node, no replication, no authentication.
package devstack
