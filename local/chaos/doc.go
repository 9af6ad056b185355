// Package chaos holds the connector to its promise while everything around it goes wrong: its tests run the built handlers
// against real Azurite and the stand-ins, let calls fail, kill processes and take services away, and then look
// into the mailboxes.
//
//	go test ./local/chaos                       // the short form, which is part of `make test`
//	make soak                                   // the long form
//	SEED=7 go test ./local/chaos -run TestKills // one test with the seed of an earlier failure
package chaos
