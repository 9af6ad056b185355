package host

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// The requests of the host, in its own spelling: field for field as captured from host 4.1045.200.

const (
	hostVersion = "4.1045.200.25556"

	stamp      = "2006-01-02T15:04:05.0000000Z"
	stampShort = "2006-01-02T15:04:05-07:00"
)

type request struct {
	Data     map[string]any
	Metadata any
}

type timerData struct {
	Schedule struct {
		AdjustForDST bool
	}
	ScheduleStatus *scheduleStatus
	IsPastDue      bool
}

type scheduleStatus struct {
	Last, Next, LastUpdated string
}

// system is the member sys of the metadata.
type system struct {
	MethodName string
	UtcNow     string
	RandGuid   string
}

type retryContext struct {
	RetryCount, MaxRetryCount int
	Exception                 *exception
	Instance                  *string
	State                     struct{}
}

// exception holds a small part of the members that .NET sends, so that no test depends on the others.
type exception struct {
	ClassName, Message string
}

type timerMetadata map[string]any

// timerBody returns the request of a timer's manual invocation. Before its first scheduled run, Last is year 1.
func timerBody(f string, binding, input string, now time.Time, try, tries int) ([]byte, error) {
	var data timerData
	data.Schedule.AdjustForDST = true
	data.ScheduleStatus = &scheduleStatus{Last: "0001-01-01T00:00:00+00:00",
		Next:        now.UTC().Truncate(24 * time.Hour).Add(24 * time.Hour).Format(stampShort),
		LastUpdated: now.UTC().Format(stampShort)}
	twice, err := quoteTwice(input)
	if err != nil {
		return nil, err
	}
	meta := timerMetadata{binding: twice, "sys": newSystem(f, now)}
	if tries > 1 {
		r := retryContext{RetryCount: try, MaxRetryCount: tries - 1}
		if try > 0 {
			r.Exception = &exception{"Microsoft.Azure.WebJobs.Host.FunctionInvocationException",
				"Exception while executing function: Functions." + f}
		}
		meta["RetryContext"] = r
	}
	return json.Marshal(request{map[string]any{binding: data}, meta})
}

// blobData is what deferred binding sends of the blob: no byte of its content.
type blobData struct {
	Version, Source string
	Content         struct {
		Length    int
		IsEmpty   bool
		MediaType string
	}
	ContentType string
}

// Properties holds the blob's properties that the host sends. The times are those of the blob service, in UTC.
type Properties struct {
	Length       int64
	ContentType  string
	ContentMD5   string // Base64
	ETag         string // with its quotes
	Created      time.Time
	LastModified time.Time
}

type blobProperties struct {
	CacheControl, ContentDisposition, ContentEncoding, ContentLanguage *string
	Length                                                             int64
	ContentMD5, ContentType, ETag                                      string
	Created, LastModified                                              string
	BlobType, LeaseStatus, LeaseState, LeaseDuration                   int
	PageBlobSequenceNumber, AppendBlobCommittedBlockCount              *int
	IsServerEncrypted, IsIncrementalCopy                               bool
	StandardBlobTier                                                   int
	RehydrationStatus, PremiumPageBlobTier                             *int
	BlobTierInferred                                                   bool
	BlobTierLastModifiedTime                                           string
	DeletedTime, RemainingDaysBeforePermanentDelete                    *string
}

type blobMetadata struct {
	URI        string `json:"Uri"`
	Properties blobProperties
	Metadata   struct{}
	Name       string `json:"name"`
	System     system `json:"sys"`
}

// blobBody returns the request of the invocation for one blob; name is the value of {name} in the trigger's path.
func blobBody(f, binding, uri, name string, p Properties, now time.Time) ([]byte, error) {
	data := blobData{Version: "1.0", Source: "AzureStorageBlobs", ContentType: "application/json"}
	data.Content.Length, data.Content.MediaType = 100, "application/json"
	uriTwice, err := quoteTwice(uri)
	if err != nil {
		return nil, err
	}
	nameTwice, err := quoteTwice(name)
	if err != nil {
		return nil, err
	}
	modified := p.LastModified.UTC().Format(stampShort)
	return json.Marshal(request{map[string]any{binding: data}, blobMetadata{
		URI: uriTwice, Name: nameTwice, System: newSystem(f, now),
		Properties: blobProperties{
			Length: p.Length, ContentMD5: p.ContentMD5, ContentType: p.ContentType, ETag: p.ETag,
			Created: p.Created.UTC().Format(stampShort), LastModified: modified, BlobTierLastModifiedTime: modified,
			BlobType: 2, LeaseStatus: 2, LeaseState: 1, IsServerEncrypted: true, StandardBlobTier: 1,
			BlobTierInferred: true,
		},
	}})
}

// quoteTwice encodes a string as JSON once. The host encodes every string in Metadata twice; encoding the whole request
// is the second time.
func quoteTwice(s string) (string, error) {
	raw, err := json.Marshal(s)
	return string(raw), err
}

func newSystem(f string, now time.Time) system {
	return system{MethodName: f, UtcNow: now.UTC().Format(stamp), RandGuid: newGUID()}
}

func newGUID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails: crypto/rand ends the program instead
	h := hex.EncodeToString(b[:])
	return fmt.Sprintf("%s-%s-%s-%s-%s", h[:8], h[8:12], h[12:16], h[16:20], h[20:])
}

// newTraceparent returns a trace ID that is not sampled.
func newTraceparent() string {
	digits := func() string { return strings.ReplaceAll(newGUID(), "-", "") }
	return "00-" + digits() + "-" + digits()[:16] + "-00"
}
