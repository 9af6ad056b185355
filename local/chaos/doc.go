// Package chaos tests that the connector archives each message exactly once while everything around it fails. The tests
// run the built handlers against real Azurite and the stand-ins, make calls fail, kill processes and make services
// unavailable, and then compare the mailboxes with what was sent.
//
//	go test ./local/chaos                       // the short form, which is part of `make test`
//	make soak                                   // the long form
//	SEED=7 go test ./local/chaos -run TestKills // one test with the seed of an earlier failure
package chaos
