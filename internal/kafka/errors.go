package kafka

import (
	"errors"
	"fmt"

	kafkago "github.com/segmentio/kafka-go"
)

// The errors that callers act on.
var (
	// ErrClosed says that the producer or client was closed before the work was done.
	ErrClosed = errors.New("kafka: closed")
	// ErrTooLarge says that a record alone exceeds what its topic takes (max.message.bytes).
	ErrTooLarge = errors.New("kafka: record too large for its topic")
	// ErrFenced says that this member no longer belongs to the generation: its commits are refused for good.
	ErrFenced = errors.New("kafka: the generation has ended")
	// ErrNoTopic says that a topic does not exist.
	ErrNoTopic = errors.New("kafka: no such topic")

	errUnknownBroker = errors.New("kafka: broker not known yet")
	errNoLeader      = errors.New("kafka: partition has no leader")
)

// brokerError turns an error code into an error; nil for 0.
func brokerError(code int16) error {
	if code == 0 {
		return nil
	}
	return kafkago.Error(code)
}

// fenced says whether err ends a membership for good.
func fenced(err error) bool {
	return errors.Is(err, kafkago.UnknownMemberId) || errors.Is(err, kafkago.IllegalGeneration) ||
		errors.Is(err, kafkago.FencedInstanceID) || errors.Is(err, ErrFenced)
}

// NoCoordinator says that a group's coordinator is away for the moment, by the word of a broker.
func NoCoordinator(err error) bool {
	return errors.Is(err, kafkago.GroupCoordinatorNotAvailable) || errors.Is(err, kafkago.NotCoordinatorForGroup) ||
		errors.Is(err, kafkago.GroupLoadInProgress)
}

// staleLeader says whether err means that the partition is led by another broker than we thought, or by none.
func staleLeader(err error) bool {
	for _, e := range []kafkago.Error{
		kafkago.NotLeaderForPartition, kafkago.LeaderNotAvailable, kafkago.UnknownTopicOrPartition,
		kafkago.ReplicaNotAvailable, kafkago.FencedLeaderEpoch, kafkago.UnknownLeaderEpoch, kafkago.KafkaStorageError,
		kafkago.BrokerNotAvailable,
	} {
		if errors.Is(err, e) {
			return true
		}
	}
	return errors.Is(err, errUnknownBroker) || errors.Is(err, errNoLeader)
}

// reasonOf names an error for metrics: a closed set of words.
func reasonOf(err error) string {
	code, isCode := errors.AsType[kafkago.Error](err)
	switch {
	case err == nil:
		return "none"
	case errors.Is(err, errUnknownBroker), errors.Is(err, errNoLeader):
		return "no_leader"
	case !isCode:
		return "connection"
	}
	switch code {
	case kafkago.NotLeaderForPartition, kafkago.LeaderNotAvailable, kafkago.FencedLeaderEpoch,
		kafkago.UnknownLeaderEpoch, kafkago.BrokerNotAvailable:
		return "no_leader"
	case kafkago.UnknownTopicOrPartition, kafkago.UnknownTopicID, kafkago.InconsistentTopicID:
		return "unknown_topic"
	case kafkago.NotEnoughReplicas, kafkago.NotEnoughReplicasAfterAppend:
		return "not_enough_replicas"
	case kafkago.RequestTimedOut:
		return "timeout"
	case kafkago.MessageSizeTooLarge, kafkago.RecordListTooLarge:
		return "too_large"
	case kafkago.TopicAuthorizationFailed, kafkago.GroupAuthorizationFailed, kafkago.ClusterAuthorizationFailed:
		return "not_authorized"
	case kafkago.RebalanceInProgress:
		return "rebalance"
	case kafkago.UnknownMemberId, kafkago.IllegalGeneration, kafkago.FencedInstanceID:
		return "fenced"
	case kafkago.GroupCoordinatorNotAvailable, kafkago.NotCoordinatorForGroup, kafkago.GroupLoadInProgress:
		return "no_coordinator"
	}
	return "other"
}

func partitionError(verb, topic string, partition int32, err error) error {
	return fmt.Errorf("%s %s/%d: %w", verb, topic, partition, err)
}

// MetadataTooLarge says whether a commit failed because the broker takes less metadata than it carried.
func MetadataTooLarge(err error) bool { return errors.Is(err, kafkago.OffsetMetadataTooLarge) }
