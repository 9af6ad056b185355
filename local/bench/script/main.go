// Command script imports texts as a simple script does: with the Graph SDK's defaults, one message after another. The
// import is compared with it. The users' IDs, whose inboxes are used in rotation, are read from standard input, one per
// line.
//
//	script <address of Graph> <token> <seconds>
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	kiota "github.com/microsoft/kiota-abstractions-go"
	nethttplibrary "github.com/microsoft/kiota-http-go"
	jsonserialization "github.com/microsoft/kiota-serialization-json-go"
	"github.com/microsoftgraph/msgraph-sdk-go/models"
	"github.com/microsoftgraph/msgraph-sdk-go/users"
)

// text has a typical length.
const text = "Can you bring the keys for the van? They are on the hook behind the door"

func main() {
	if err := run(os.Args[1:], os.Stdin); err != nil {
		fmt.Fprintln(os.Stderr, "script:", err)
		os.Exit(1)
	}
}

// bearer is an authentication provider that sets the token on every request.
type bearer string

func (b bearer) AuthenticateRequest(_ context.Context, r *kiota.RequestInformation, _ map[string]any) error {
	r.Headers.Add("Authorization", "Bearer "+string(b))
	return nil
}

// run posts messages for the given time, and prints the number of copies and the time as JSON.
func run(args []string, stdin io.Reader) error {
	if len(args) != 3 {
		return errors.New("want: address, token, seconds")
	}
	seconds, err := strconv.Atoi(args[2])
	if err != nil {
		return fmt.Errorf("seconds: %w", err)
	}
	in, err := io.ReadAll(stdin)
	if err != nil {
		return fmt.Errorf("read the users: %w", err)
	}
	ids := strings.Fields(string(in))
	if len(ids) == 0 {
		return errors.New("no users on standard input")
	}
	adapter, err :=
		nethttplibrary.NewNetHttpRequestAdapterWithParseNodeFactoryAndSerializationWriterFactoryAndHttpClient(
			bearer(args[1]),
			// nil: the SDK's client with its middleware
			jsonserialization.NewJsonParseNodeFactory(), jsonserialization.NewJsonSerializationWriterFactory(), nil)
	if err != nil {
		return fmt.Errorf("make the adapter: %w", err)
	}
	base := args[0] + "/v1.0"
	adapter.SetBaseUrl(base)
	ctx, cancel := context.WithTimeout(context.Background(), time.Duration(seconds)*time.Second)
	defer cancel()
	began, n := time.Now(), 0
	var took time.Duration
	for {
		user := users.NewUserItemRequestBuilderInternal(
			map[string]string{"baseurl": base, "user%2Did": ids[n%len(ids)]}, adapter)
		if _, err := user.MailFolders().ByMailFolderId("inbox").Messages().Post(
			ctx, newMessage(n), nil); err != nil {
			if ctx.Err() != nil {
				break
			}
			return fmt.Errorf("message %d: %w", n+1, err)
		}
		n++
		took = time.Since(began)
	}
	return json.NewEncoder(os.Stdout).Encode(map[string]any{"copies": n, "seconds": took.Seconds()})
}

// newMessage returns a text as the import would write it, without the properties that make it unique.
func newMessage(n int) models.Messageable {
	subject, from := fmt.Sprintf("Text %d", n), "user@contoso.example"
	body, kind, content := models.NewItemBody(), models.TEXT_BODYTYPE, text
	body.SetContentType(&kind)
	body.SetContent(&content)
	address, sender := models.NewEmailAddress(), models.NewRecipient()
	address.SetAddress(&from)
	sender.SetEmailAddress(address)
	id, value := "Integer 0x0E07", "1" // PidTagMessageFlags: read, and not a draft
	flags := models.NewSingleValueLegacyExtendedProperty()
	flags.SetId(&id)
	flags.SetValue(&value)
	m := models.NewMessage()
	m.SetSubject(&subject)
	m.SetBody(body)
	m.SetFrom(sender)
	m.SetSender(sender)
	m.SetToRecipients([]models.Recipientable{sender})
	m.SetSingleValueExtendedProperties([]models.SingleValueLegacyExtendedPropertyable{flags})
	return m
}
