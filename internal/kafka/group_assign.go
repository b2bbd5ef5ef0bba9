package kafka

import (
	"cmp"
	"context"
	"slices"
)

func (g *Group) allTopics(members []member) []string {
	topics := slices.Clone(g.cfg.Topics)
	for _, m := range members {
		topics = append(topics, m.topics...)
	}
	slices.Sort(topics)
	return slices.Compact(topics)
}

// assign gives each member a range of each topic's partitions. Topics with the same subscribers and the same number
// of partitions are divided alike, so that partition n of all of them has one owner.
func assign(members []member, info *ClusterInfo, starts map[string][]int64) map[string]assignment {
	members = slices.SortedFunc(slices.Values(members), func(a, b member) int { return cmp.Compare(a.id, b.id) })
	out := make(map[string]assignment, len(members))
	subscribers := make(map[string][]string)
	for _, m := range members {
		out[m.id] = assignment{partitions: make(map[string][]int), starts: starts}
		for _, topic := range m.topics {
			subscribers[topic] = append(subscribers[topic], m.id)
		}
	}
	for topic, ids := range subscribers {
		n := len(info.Topics[topic].Leaders)
		for i, id := range ids {
			for p := i * n / len(ids); p < (i+1)*n/len(ids); p++ {
				out[id].partitions[topic] = append(out[id].partitions[topic], p)
			}
		}
	}
	return out
}

// starts looks up where the topics begin that the group never committed. The leader does it once for all members, so
// that one member's first commit does not make another take its own partitions for added ones.
func (g *Group) starts(ctx context.Context, info *ClusterInfo) (map[string][]int64, error) {
	if g.cfg.Start == Earliest {
		return nil, nil
	}
	var tps []TopicPartition
	for name, t := range info.Topics {
		for p := range t.Leaders {
			tps = append(tps, TopicPartition{name, p})
		}
	}
	if len(tps) == 0 {
		return nil, nil
	}
	marks, err := g.Committed(ctx, tps...)
	if err != nil {
		return nil, err
	}
	known := make(map[string]bool)
	for _, m := range marks {
		known[m.Topic] = known[m.Topic] || m.Offset >= 0
	}
	tps = slices.DeleteFunc(tps, func(tp TopicPartition) bool { return known[tp.Topic] })
	if len(tps) == 0 {
		return nil, nil
	}
	offsets, err := g.client.Offsets(ctx, g.cfg.Start, tps...)
	if err != nil {
		return nil, err
	}
	out := make(map[string][]int64)
	for _, tp := range tps {
		if out[tp.Topic] == nil {
			out[tp.Topic] = make([]int64, len(info.Topics[tp.Topic].Leaders))
		}
		out[tp.Topic][tp.Partition] = offsets[tp]
	}
	return out, nil
}
