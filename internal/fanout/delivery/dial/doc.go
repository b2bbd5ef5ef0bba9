// Package dial opens connections to destinations that customers chose, and to no other place.
//
// Whoever may name a URL may try to make this program talk to what only this program can reach: its own database, a
// cloud's metadata service, a neighbour's port. Names say nothing about that. What a name means is decided when it is
// resolved, and it may mean something else a second later. So the one check that counts is made on the concrete
// address of each connection, in the moment before it is opened. What [Policy.CheckURL] says when a URL is saved is
// only there to tell people early.
//
//	host ──ASCII──▶ literal or resolver ──▶ addresses ──Policy──▶ allowed ones ──▶ connect (checked again) ──▶ TLS
//	                                                                  └▶ or CONNECT to one of them through a proxy
//
// # Invariants
//
//	pinned       the address that was checked is the address that is connected to, also behind a forward proxy.
//	fail-closed  what can't be parsed, has a zone, or is of an unknown network is refused.
//	silent       no error text holds an address that was resolved.
//	bounded      a name with many addresses costs at most maxPerFamily connections of each family.
//
// The smallest use:
//
//	policy, err := dial.NewPolicy(dial.PolicyConfig{})
//	dialer := dial.New(policy, dial.Config{})
//	link, err := dialer.Dial(ctx, dial.Dest{Host: "example.com", Port: 443, TLS: true})
package dial
