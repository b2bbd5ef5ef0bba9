// Package docstest runs what docs/receiving.md and docs/publishing.md show. The pages are the only source: each fenced block
// there has a comment in front of it that names a file, and the tests run those files as they stand.
//
//	<!-- file: express/server.mjs -->
//	```js
//	…
//	```
//
// A directory is a program. Its run.sh says how to install and start it; what would be installed has to be among the pinned
// versions below testdata, which scripts/test-deps.sh fetches, and the other lines are run. A block without such a comment,
// and a file that no test runs, fail.
//
// Receivers get requests that are signed as the dispatcher signs them, and forged ones; relays publish from a real PostgreSQL
// to a real Kafka. All of it starts within a minute, so that `make test` runs it; `make docs-test` runs it alone.
package docstest
