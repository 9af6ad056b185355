// Package chaos holds the connector to its promise while everything around it goes wrong: its tests run the built handlers
// against real Azurite and the stand-ins, let calls fail, kill processes and take services away, and then look
// into the mailboxes.
//
//	go test ./local/chaos                        // the short form, a part of all tests
//	make chaos                                   // the long form
//	go test ./local/chaos -run TestKills -seed 7 // one of them, with a seed from an earlier failure
package chaos
