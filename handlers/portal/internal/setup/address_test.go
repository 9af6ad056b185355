package setup

import (
	"net"
	"testing"

	"o2archiver/shared/source/delivery/deliverytest"
)

// Only another machine is connected to: a function app has its identity's endpoint on its own one.
func TestOwnAddressesAreRefused(t *testing.T) {
	for address, want := range map[string]bool{
		"127.0.0.1:22": true, "[::1]:22": true, "169.254.169.254:80": true, "0.0.0.0:22": true, "[::]:22": true,
		"[::ffff:127.0.0.1]:22": true, "[fe80::1%eth0]:22": true, "224.0.0.1:22": true, "no address": true,
		"168.63.129.16:80": true, "[::ffff:168.63.129.16]:22": true, "168.63.129.17:22": false,
		"10.1.2.3:22": false, "192.0.2.1:2222": false, "[2001:db8::1]:22": false,
	} {
		if err := refuseOwnAddresses("tcp", address, nil); (err != nil) != want {
			t.Errorf("%s: %v", address, err)
		}
	}
	w, _, _ := server(t, deliverytest.Options{})
	w.opts.Dial = nil
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	reached := make(chan bool, 2)
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			reached <- true
			conn.Close()
		}
	}()
	for _, own := range []bool{false, true} {
		w.opts.OnMachine = own
		w.use(w.storage)
		_, page := w.send("/setup/source", "host", listener.Addr().String(), "do", "key")
		w.mustHold(page, "The test could not be made")
		if got := len(reached) > 0; got != own {
			t.Errorf("tried on one machine: %v, connected: %v", own, got)
		}
	}
}
