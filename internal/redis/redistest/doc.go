// Package redistest starts real servers for tests that need a kind of Redis, or one to break: single servers of any binary,
// with or without TLS, masters under Sentinels, clusters. They listen on loopback, live in folders of the test's own and end
// with it.
//
//	server := redistest.Start(t, redistest.Options{})
//	client, err := redis.New(redis.Config{URL: server.URL(), Prefix: redistest.Prefix})
//	server.Kill()
//	server.Start()
//
// Each server has the user that docs/operations.md describes, with exactly the rights that it lists, and URLs name that
// user: whatever a test shows is shown with these rights.
package redistest
