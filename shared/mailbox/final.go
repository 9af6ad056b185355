package mailbox

import (
	"net/http"
	"slices"
)

// operation is what a request to Graph is for: the same answer means different things to different ones.
type operation int

// The operations. A $batch has an answer of its own besides those of the look-ups in it.
const (
	opBatch operation = iota
	opLookUp
	opFindFolder
	opCreateFolder
	opCreate
	opAttach
	opSession
	opPart
	opComplete
	opFind
	opDelete
	operations // their number
)

func (o operation) String() string {
	return [...]string{"batch", "look-up", "find folder", "create folder", "create message", "add attachment", "create session",
		"upload part", "complete message", "find message", "delete message"}[o]
}

// writes reports whether the operation changes something, so that a request without a clear answer may have had an effect.
func (o operation) writes() bool {
	switch o {
	case opBatch, opLookUp, opFindFolder, opFind:
		return false
	}
	return true
}

// finalAnswer is an answer of Graph that asking again does not change.
type finalAnswer struct {
	operations []operation
	statuses   []int
	code       string // in Graph's own error object
	kind       Kind   // what it means
	source     string // where that is written
}

// Groups of operations for the table.
var (
	inMailbox  = []operation{opFindFolder, opCreateFolder, opCreate, opAttach, opSession, opPart, opComplete, opFind, opDelete}
	onFolders  = []operation{opFindFolder, opCreateFolder}
	onMessage  = []operation{opAttach, opSession, opComplete, opDelete}
	ofContent  = []operation{opCreate, opAttach, opSession, opPart, opComplete}
	ofMessages = []operation{opCreate}
)

// Where the meaning of a code is written.
const (
	exchangeCodes = "Exchange, EWS reference, ResponseCode"
	graphErrorDoc = "Microsoft Graph, error responses and resource types"
	outlookErrors = "Microsoft Graph, Outlook mail API: codes seen for users without a mailbox"
	attachLarge   = "Microsoft Graph, attach large files to Outlook messages"
	odataReader   = "OData library of Graph: the request's body does not fit the schema"
)

// finalAnswers is the table of all answers that decide something about a mailbox or a message for good. An answer counts only
// with Graph's own error object and with that operation, status and code. Every other refusal is passing: what a proxy sends, an
// empty body, UnknownError, a conflict, a mailbox that is moved or busy, and each code that is not in this table.
// A row is added where a source says that the same request gets the same answer for as long as its subject stays as it is.
var finalAnswers = []finalAnswer{
	// No mailbox in Exchange Online: one outcome with unstable codes. The user is unlicensed, a guest, on the premises or gone.
	{inMailbox, []int{400, 403, 404}, "MailboxNotEnabledForRESTAPI", NoMailbox, outlookErrors},
	{inMailbox, []int{400, 403, 404}, "MailboxNotSupportedForRESTAPI", NoMailbox, outlookErrors},
	{inMailbox, []int{404}, "ResourceNotFound", NoMailbox, outlookErrors},
	{inMailbox, []int{404}, "Request_ResourceNotFound", NoMailbox, graphErrorDoc + ": no such user in the directory"},
	{inMailbox, []int{404}, "ErrorInvalidUser", NoMailbox, outlookErrors},
	{inMailbox, []int{401}, "AuthenticationError", NoMailbox, outlookErrors + ": an unlicensed user"},
	{inMailbox, []int{404}, "ErrorNonExistentMailbox", NoMailbox, exchangeCodes},
	{onFolders, []int{404}, "ErrorItemNotFound", NoMailbox, outlookErrors + ": no mailbox has no collection of folders"},

	// Something that the request names is not there. It is resolved anew.
	{[]operation{opCreate, opFind}, []int{404}, "ErrorItemNotFound", FolderGone, exchangeCodes + ": users delete folders"},
	{[]operation{opCreate, opFind}, []int{404}, "ErrorFolderNotFound", FolderGone, exchangeCodes},
	{onMessage, []int{404}, "ErrorItemNotFound", MessageGone, exchangeCodes + ": users delete messages"},

	// Access is denied by the scope that an administrator gave.
	{inMailbox, []int{403}, "ErrorAccessDenied", Denied, exchangeCodes + "; RBAC for Applications in Exchange Online"},
	{[]operation{opBatch, opLookUp}, []int{403}, "Authorization_RequestDenied", Denied, graphErrorDoc + ": a permission is missing"},
	{[]operation{opBatch, opLookUp}, []int{403}, "ErrorAccessDenied", Denied, exchangeCodes},

	// The directory does not look this address up. LookUp believes it only where another look-up beside it is answered.
	{[]operation{opLookUp}, []int{400}, "Request_BadRequest", Refused, graphErrorDoc + ": the filter's value"},
	{[]operation{opLookUp}, []int{400}, "BadRequest", Refused, graphErrorDoc + ": the filter's value"},
	{[]operation{opLookUp}, []int{400}, "Request_UnsupportedQuery", Refused, graphErrorDoc},
	{[]operation{opLookUp}, []int{400}, "Request_InvalidFilterClause", Refused, graphErrorDoc},
	{[]operation{opLookUp}, []int{400}, "ErrorInvalidUrlQueryFilter", Refused, graphErrorDoc},

	// The size is what is wrong.
	{ofContent, []int{400, 413}, "ErrorMessageSizeExceeded", TooLarge, exchangeCodes + ": the tenant's limit for one message"},
	{ofContent, []int{400, 413}, "ErrorAttachmentSizeLimitExceeded", TooLarge, exchangeCodes},
	{ofContent, []int{413}, "RequestEntityTooLarge", TooLarge, graphErrorDoc},
	{ofContent, []int{413}, "BadRequest", TooLarge, graphErrorDoc + ": a request is at most 4 MB"},

	// The attachment's size calls for a request of the other form.
	{[]operation{opSession}, []int{400}, tooSmallForSession, Refused, attachLarge + ": 3 MB and more"},

	// The mailbox, or its table of named properties, is full.
	{ofContent, []int{400, 403, 413, 507}, quotaExceeded, Refused, exchangeCodes + ": it does not pass by itself"},
	{onFolders, []int{400, 403, 413, 507}, quotaExceeded, Refused, exchangeCodes},

	// The content is refused, and would be as often as it comes.
	{ofMessages, []int{400}, "ErrorInvalidRecipients", Refused, exchangeCodes + ": an address that is no valid SMTP"},
	{ofMessages, []int{400}, "ErrorInvalidSmtpAddress", Refused, exchangeCodes},
	{ofMessages, []int{400}, "ErrorInvalidExtendedProperty", Refused, exchangeCodes},
	{ofMessages, []int{400}, "ErrorInvalidExtendedPropertyValue", Refused, exchangeCodes},
	{ofMessages, []int{400}, "InvalidInternetMessageHeader", Refused, graphErrorDoc + ": a header's name or value"},
	{ofMessages, []int{400}, "InvalidInternetMessageHeaderCollection", Refused, graphErrorDoc + ": more than 5 headers"},
	{ofContent, []int{400}, "RequestBodyRead", Refused, odataReader},
	{ofContent, []int{400}, "ErrorSchemaValidation", Refused, exchangeCodes},
}

// Codes of Graph that the client acts on.
const (
	quotaExceeded      = "ErrorQuotaExceeded"
	tooSmallForSession = "ErrorAttachmentSizeShouldNotBeLessThanMinimumSize"
	unusualCode        = "UnusualCode" // a word of this package's: the answer's code is none of Graph's
)

// notCodes are what stands in the place of a code where a gateway of Graph's own could make nothing of the answer behind it.
var notCodes = []string{"", unusualCode, "UnknownError"}

// awayCodes are codes of a mailbox or a service that is away for now, whatever the status. Exchange, EWS reference,
// ResponseCode; Microsoft Graph, error responses. They are waited for as an outage is.
var awayCodes = []string{
	"MailboxInTransit", "ErrorMailboxMoveInProgress", "ErrorMailboxStoreUnavailable", "ErrorMailboxFailover", "ErrorMailboxSiteFailover",
	"ErrorServerBusy", "ErrorExceededConnectionCount", "ErrorTooManyObjectsOpened", "ErrorTimeoutExpired", "ErrorConnectionFailed",
	"ErrorConnectionFailedTransientError", "ErrorADUnavailable", "ErrorADOperation", "ErrorNoRespondingCASInDestinationSite",
	"ErrorNotEnoughMemory", "ErrorInsufficientResources", "ErrorBatchProcessingStopped", "ErrorInternalServerError",
	"ErrorInternalServerTransientError", "ErrorProxyRequestProcessingFailed", "ErrorCrossSiteRequest", "ErrorMessageTrackingTransientError",
	"ServiceUnavailable", "serviceNotAvailable", "ServiceNotAvailable", "GatewayTimeout", "BadGateway", "Timeout", "InternalServerError",
}

// ofAnswer returns what an answer with a status of 400 and more means. code is that of Graph's own error object, "" without one.
func ofAnswer(what operation, status int, code string) Kind {
	for _, f := range finalAnswers {
		if f.code == code && slices.Contains(f.statuses, status) && slices.Contains(f.operations, what) {
			return f.kind
		}
	}
	switch {
	case status == http.StatusTooManyRequests:
		return Throttled
	case what == opPart:
		return Unavailable // the session ended, or lost count: a new import gets a new one
	case status == http.StatusUnauthorized:
		return Unauthorized
	case status == http.StatusRequestTimeout, status >= 500, slices.Contains(notCodes, code), slices.Contains(awayCodes, code):
		return Unavailable
	}
	return Unclear
}

// mayHaveHadEffect reports whether a refused write has to be looked for before it is sent again. A refusal that is no final
// answer says nothing about what became of the request: a gateway may have sent it on.
func mayHaveHadEffect(what operation, kind Kind, code string) bool {
	if !what.writes() {
		return false
	}
	switch kind {
	case Unavailable, Unclear:
		return true
	case Unauthorized: // Graph's own refusal comes before the request is carried out
		return slices.Contains(notCodes, code)
	}
	return false
}
