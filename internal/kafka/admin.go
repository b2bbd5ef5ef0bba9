package kafka

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	kafkago "github.com/segmentio/kafka-go"
)

// TopicSpec describes a topic that is to exist.
type TopicSpec struct {
	Name              string
	Partitions        int
	ReplicationFactor int
	// Configs are topic settings, such as retention.ms.
	Configs map[string]string
}

// CreateTopics makes the topics that do not exist and returns the names of those that did, which stay as they are. It
// returns once every partition has a leader. One error line for each topic that could not be made.
func (c *Client) CreateTopics(ctx context.Context, specs []TopicSpec) (existed []string, err error) {
	if len(specs) == 0 {
		return nil, nil
	}
	names := make([]string, len(specs))
	for i := range specs {
		names[i] = specs[i].Name
	}
	missing := specs
	err = c.retry(ctx, func() error {
		existed, err = c.createTopics(ctx, names, missing)
		return err
	})
	if err != nil {
		return existed, err
	}
	return existed, c.retry(ctx, func() error { return c.led(ctx, names) })
}

func (c *Client) createTopics(ctx context.Context, names []string, specs []TopicSpec) (existed []string, err error) {
	admin, done := c.admin(names)
	defer done()
	ctx, cancel := context.WithTimeout(ctx, 2*c.cfg.RequestTimeout)
	defer cancel()
	req := &kafkago.CreateTopicsRequest{}
	for _, s := range specs {
		topic := kafkago.TopicConfig{Topic: s.Name, NumPartitions: s.Partitions, ReplicationFactor: s.ReplicationFactor}
		for k, v := range s.Configs {
			topic.ConfigEntries = append(topic.ConfigEntries, kafkago.ConfigEntry{ConfigName: k, ConfigValue: v})
		}
		req.Topics = append(req.Topics, topic)
	}
	res, err := admin.CreateTopics(ctx, req)
	if err != nil {
		return nil, fmt.Errorf("create topics: %w", err)
	}
	var errs []error
	for _, name := range names {
		switch err := res.Errors[name]; {
		case errors.Is(err, kafkago.TopicAlreadyExists):
			existed = append(existed, name)
		case err != nil:
			errs = append(errs, fmt.Errorf("create topic %s: %w", name, err))
		}
	}
	return existed, errors.Join(errs...)
}

// led fails until each partition of the topics has a leader.
func (c *Client) led(ctx context.Context, topics []string) error {
	info, err := c.Metadata(ctx, topics...)
	if err != nil {
		return err
	}
	for _, name := range topics {
		t := info.Topics[name]
		if t.Err != nil || len(t.Leaders) == 0 || slices.Contains(t.Leaders, -1) {
			return fmt.Errorf("topic %s: %w", name, errNoLeader)
		}
	}
	return nil
}

// DeleteTopics deletes topics; one that does not exist is no error.
func (c *Client) DeleteTopics(ctx context.Context, topics ...string) error {
	return c.retry(ctx, func() error {
		admin, done := c.admin(topics)
		defer done()
		ctx, cancel := context.WithTimeout(ctx, 2*c.cfg.RequestTimeout)
		defer cancel()
		res, err := admin.DeleteTopics(ctx, &kafkago.DeleteTopicsRequest{Topics: topics})
		if err != nil {
			return fmt.Errorf("delete topics: %w", err)
		}
		var errs []error
		for topic, err := range res.Errors {
			if err != nil && !errors.Is(err, kafkago.UnknownTopicOrPartition) {
				errs = append(errs, fmt.Errorf("delete topic %s: %w", topic, err))
			}
		}
		return errors.Join(errs...)
	})
}

// TopicConfigs reads settings of topics: name, then key, then value. A topic that cannot be read is an error.
func (c *Client) TopicConfigs(ctx context.Context, topics []string, keys ...string) (map[string]map[string]string, error) {
	out := make(map[string]map[string]string, len(topics))
	err := c.retry(ctx, func() error {
		admin, done := c.admin(topics)
		defer done()
		ctx, cancel := context.WithTimeout(ctx, c.cfg.RequestTimeout)
		defer cancel()
		req := &kafkago.DescribeConfigsRequest{}
		for _, t := range topics {
			req.Resources = append(req.Resources, kafkago.DescribeConfigRequestResource{
				ResourceType: kafkago.ResourceTypeTopic, ResourceName: t, ConfigNames: keys,
			})
		}
		res, err := admin.DescribeConfigs(ctx, req)
		if err != nil {
			return fmt.Errorf("describe topic configs: %w", err)
		}
		for _, r := range res.Resources {
			if r.Error != nil {
				return fmt.Errorf("describe topic %s: %w", r.ResourceName, r.Error)
			}
			out[r.ResourceName] = make(map[string]string, len(r.ConfigEntries))
			for _, e := range r.ConfigEntries {
				out[r.ResourceName][e.ConfigName] = e.ConfigValue
			}
		}
		return nil
	})
	return out, err
}

// CheckTopics returns one error line for each topic that does not exist or that may not be seen.
func (c *Client) CheckTopics(ctx context.Context, topics ...string) error {
	info, err := c.Metadata(ctx, topics...)
	if err != nil {
		return err
	}
	var errs []error
	for _, name := range topics {
		if t, ok := info.Topics[name]; !ok || t.Err != nil {
			errs = append(errs, fmt.Errorf("topic %s: %w", name, cmpErr(t.Err, ErrNoTopic)))
		}
	}
	return errors.Join(errs...)
}

func cmpErr(err, otherwise error) error {
	if err == nil {
		return otherwise
	}
	return err
}

// Brokers is the number of live brokers.
func (c *Client) Brokers(ctx context.Context) (int, error) {
	info, err := c.Metadata(ctx)
	if err != nil {
		return 0, err
	}
	return info.Brokers, nil
}

// Partitions is the number of partitions of each topic; ErrNoTopic, joined, for those that do not exist.
func (c *Client) Partitions(ctx context.Context, topics ...string) (map[string]int, error) {
	info, err := c.Metadata(ctx, topics...)
	if err != nil {
		return nil, err
	}
	out := make(map[string]int, len(topics))
	var errs []error
	for _, name := range topics {
		t := info.Topics[name]
		if t.Err != nil {
			errs = append(errs, fmt.Errorf("topic %s: %w", name, t.Err))
			continue
		}
		out[name] = len(t.Leaders)
	}
	return out, errors.Join(errs...)
}

// retry repeats what the cluster says will soon work, and what failed on the way, until ctx ends or 30 s are over.
func (c *Client) retry(ctx context.Context, try func() error) error {
	deadline := time.Now().Add(30 * time.Second)
	for n := 0; ; n++ {
		err := try()
		if err == nil || !transient(err) || ctx.Err() != nil || time.Now().After(deadline) {
			return err
		}
		if !pause(ctx, backoff(n)) {
			return err
		}
	}
}

// transient says whether a call may well succeed a little later.
func transient(err error) bool {
	if staleLeader(err) {
		return true
	}
	if code, ok := errors.AsType[kafkago.Error](err); ok {
		return code.Temporary() || errors.Is(err, kafkago.NotController) || errors.Is(err, kafkago.RequestTimedOut)
	}
	return !errors.Is(err, ErrClosed) && !errors.Is(err, ErrNoTopic)
}

// pause waits for d; false if ctx ended before.
func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
