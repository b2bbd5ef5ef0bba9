// Package testenv hands the real services that integration tests run against to those tests: Apache
// Kafka, Redis and PostgreSQL, started once for a test run by `make services-up` or brought by whoever
// runs the tests.
//
// Where a service is comes from DISPATCHER_TEST_KAFKA, DISPATCHER_TEST_REDIS and
// DISPATCHER_TEST_DATABASE; a variable that is not set is looked up in the file .services/env of the
// checkout, which `make services-up` writes. A test that needs a service which neither names fails; it
// is never skipped, so a green run has proved what it says.
//
// All tests share the services and run at the same time. What keeps them apart:
//
//	Postgres  gives each call a database of its own and drops it when the test ends.
//	Prefix    is unique; topics, groups and Redis keys that begin with it belong to one test.
//
// The smallest use:
//
//	func TestStore(t *testing.T) {
//		store := open(t, testenv.Postgres(t))
//		…
//	}
//
// Fetched finds what else scripts/test-deps.sh brought for tests. FreePort finds ports for servers that a test starts.
// VerifyTestMain looks for goroutines that tests left.
//
// testenv starts no service and knows no Kafka or Redis client: a test deletes the topics it made, since
// every partition costs the shared broker memory until the end of the run.
package testenv
