package mailbox

import (
	"net/http"
	"slices"
)

// operation is the purpose of a request to Graph. The same answer means different things for different operations.
type operation int

// The operations. A $batch has an answer of its own, besides those of the look-ups in it.
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
	operations // the number of operations
)

func (o operation) String() string {
	return [...]string{"batch", "look-up", "find folder", "create folder", "create message", "add attachment",
		"create session", "upload part", "complete message", "find message", "delete message"}[o]
}

// writes reports whether the operation changes anything: without a clear answer, the request may have had an effect.
func (o operation) writes() bool {
	switch o {
	case opBatch, opLookUp, opFindFolder, opFind:
		return false
	}
	return true
}

// finalAnswer is an answer of Graph that a retry does not change.
type finalAnswer struct {
	operations []operation
	statuses   []int
	code       string // in Graph's error object
	kind       Kind   // what it means
	source     string // where that is documented
}

// The groups of operations in the table.
var (
	inMailbox = []operation{opFindFolder, opCreateFolder, opCreate, opAttach, opSession, opPart, opComplete,
		opFind, opDelete}
	onFolders  = []operation{opFindFolder, opCreateFolder}
	onMessage  = []operation{opAttach, opSession, opComplete, opDelete}
	ofContent  = []operation{opCreate, opAttach, opSession, opPart, opComplete}
	ofMessages = []operation{opCreate}
)

// The sources: where the meaning of a code is documented.
const (
	exchangeCodes = "Exchange, EWS reference, ResponseCode"
	graphErrorDoc = "Microsoft Graph, error responses and resource types"
	outlookErrors = "Microsoft Graph, Outlook mail API: codes seen for users without a mailbox"
	attachLarge   = "Microsoft Graph, attach large files to Outlook messages"
	odataReader   = "OData library of Graph: the request's body does not fit the schema"
)

// finalAnswers is the table of the answers that decide something about a mailbox or a message permanently. An answer
// counts only if it has Graph's own error object and the row's operation, status and code. Every other refusal is
// treated as passing: a proxy's answer, an empty body, UnknownError, a conflict, a mailbox that is being moved or is
// busy, and every code that is not in this table.
//
// A row is added only if a source states that the same request gets the same answer as long as its subject does not
// change.
var finalAnswers = []finalAnswer{
	// No mailbox in Exchange Online: one condition with several, unstable codes. The user is unlicensed, a guest, on
	// premises or gone.
	{inMailbox, []int{400, 403, 404}, "MailboxNotEnabledForRESTAPI", NoMailbox, outlookErrors},
	{inMailbox, []int{400, 403, 404}, "MailboxNotSupportedForRESTAPI", NoMailbox, outlookErrors},
	{inMailbox, []int{404}, "ResourceNotFound", NoMailbox, outlookErrors},
	{inMailbox, []int{404}, "Request_ResourceNotFound", NoMailbox, graphErrorDoc + ": no such user in the directory"},
	{inMailbox, []int{404}, "ErrorInvalidUser", NoMailbox, outlookErrors},
	{inMailbox, []int{401}, "AuthenticationError", NoMailbox, outlookErrors + ": an unlicensed user"},
	{inMailbox, []int{404}, "ErrorNonExistentMailbox", NoMailbox, exchangeCodes},
	{onFolders, []int{404}, "ErrorItemNotFound", NoMailbox,
		outlookErrors + ": no mailbox has no collection of folders"},

	// The folder or message in the request does not exist. A folder is resolved again.
	{[]operation{opCreate, opFind}, []int{404}, "ErrorItemNotFound", FolderGone,
		exchangeCodes + ": users delete folders"},
	{[]operation{opCreate, opFind}, []int{404}, "ErrorFolderNotFound", FolderGone, exchangeCodes},
	{onMessage, []int{404}, "ErrorItemNotFound", MessageGone, exchangeCodes + ": users delete messages"},

	// Access is denied by the scope that an administrator granted.
	{inMailbox, []int{403}, "ErrorAccessDenied", Denied, exchangeCodes + "; RBAC for Applications in Exchange Online"},
	{[]operation{opBatch, opLookUp}, []int{403}, "Authorization_RequestDenied", Denied,
		graphErrorDoc + ": a permission is missing"},
	{[]operation{opBatch, opLookUp}, []int{403}, "ErrorAccessDenied", Denied, exchangeCodes},

	// The directory refuses the look-up of this address. LookUp accepts that only if the directory answers another
	// look-up at the same time.
	{[]operation{opLookUp}, []int{400}, "Request_BadRequest", Refused, graphErrorDoc + ": the filter's value"},
	{[]operation{opLookUp}, []int{400}, "BadRequest", Refused, graphErrorDoc + ": the filter's value"},
	{[]operation{opLookUp}, []int{400}, "Request_UnsupportedQuery", Refused, graphErrorDoc},
	{[]operation{opLookUp}, []int{400}, "Request_InvalidFilterClause", Refused, graphErrorDoc},
	{[]operation{opLookUp}, []int{400}, "ErrorInvalidUrlQueryFilter", Refused, graphErrorDoc},

	// The message, attachment or request is too large.
	{ofContent, []int{400, 413}, "ErrorMessageSizeExceeded", TooLarge,
		exchangeCodes + ": the tenant's limit for one message"},
	{ofContent, []int{400, 413}, "ErrorAttachmentSizeLimitExceeded", TooLarge, exchangeCodes},
	{ofContent, []int{413}, "RequestEntityTooLarge", TooLarge, graphErrorDoc},
	{ofContent, []int{413}, "BadRequest", TooLarge, graphErrorDoc + ": a request is at most 4 MB"},

	// The attachment is too small for an upload session and has to be sent in one POST.
	{[]operation{opSession}, []int{400}, tooSmallForSession, Refused, attachLarge + ": 3 MB and more"},

	// The mailbox, or its table of named properties, is full.
	{ofContent, []int{400, 403, 413, 507}, quotaExceeded, Refused, exchangeCodes + ": it does not pass by itself"},
	{onFolders, []int{400, 403, 413, 507}, quotaExceeded, Refused, exchangeCodes},

	// The content is refused on every attempt.
	{ofMessages, []int{400}, "ErrorInvalidRecipients", Refused, exchangeCodes + ": an address that is no valid SMTP"},
	{ofMessages, []int{400}, "ErrorInvalidSmtpAddress", Refused, exchangeCodes},
	{ofMessages, []int{400}, "ErrorInvalidExtendedProperty", Refused, exchangeCodes},
	{ofMessages, []int{400}, "ErrorInvalidExtendedPropertyValue", Refused, exchangeCodes},
	{ofMessages, []int{400}, "InvalidInternetMessageHeader", Refused, graphErrorDoc + ": a header's name or value"},
	{ofMessages, []int{400}, "InvalidInternetMessageHeaderCollection", Refused,
		graphErrorDoc + ": more than 5 headers"},
	{ofContent, []int{400}, "RequestBodyRead", Refused, odataReader},
	{ofContent, []int{400}, "ErrorSchemaValidation", Refused, exchangeCodes},
}

// The codes that the client acts on.
const (
	quotaExceeded      = "ErrorQuotaExceeded"
	tooSmallForSession = "ErrorAttachmentSizeShouldNotBeLessThanMinimumSize"
	unusualCode        = "UnusualCode" // this package's own: the answer's code does not have the form of Graph's
)

// notCodes are the values in the place of a code when a gateway of Graph could not interpret the answer of the service
// behind it.
var notCodes = []string{"", unusualCode, "UnknownError"}

// awayCodes are the codes of a mailbox or service that is temporarily unavailable, whatever the status. They are
// retried like an outage. Sources: Exchange, EWS reference, ResponseCode; Microsoft Graph, error responses.
var awayCodes = []string{
	"MailboxInTransit", "ErrorMailboxMoveInProgress", "ErrorMailboxStoreUnavailable", "ErrorMailboxFailover",
	"ErrorMailboxSiteFailover",
	"ErrorServerBusy", "ErrorExceededConnectionCount", "ErrorTooManyObjectsOpened", "ErrorTimeoutExpired",
	"ErrorConnectionFailed",
	"ErrorConnectionFailedTransientError", "ErrorADUnavailable", "ErrorADOperation",
	"ErrorNoRespondingCASInDestinationSite",
	"ErrorNotEnoughMemory", "ErrorInsufficientResources", "ErrorBatchProcessingStopped", "ErrorInternalServerError",
	"ErrorInternalServerTransientError", "ErrorProxyRequestProcessingFailed", "ErrorCrossSiteRequest",
	"ErrorMessageTrackingTransientError",
	"ServiceUnavailable", "serviceNotAvailable", "ServiceNotAvailable", "GatewayTimeout", "BadGateway", "Timeout",
	"InternalServerError",
}

// ofAnswer returns the Kind of an answer with a status of 400 or more. code is the code in Graph's error object, ""
// without one.
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
		return Unavailable // the upload session has ended or is out of step; a new import creates another
	case status == http.StatusUnauthorized:
		return Unauthorized
	case status == http.StatusRequestTimeout, status >= 500,
		slices.Contains(notCodes, code), slices.Contains(awayCodes, code):
		return Unavailable
	}
	return Unclear
}

// mayHaveHadEffect reports whether the result of a refused write has to be looked for before the write is repeated. A
// refusal that is not a final answer does not tell whether the request was carried out: a gateway may have passed it
// on before it answered.
func mayHaveHadEffect(what operation, kind Kind, code string) bool {
	if !what.writes() {
		return false
	}
	switch kind {
	case Unavailable, Unclear:
		return true
	case Unauthorized: // with a code of Graph's own, the token was refused before the request was carried out
		return slices.Contains(notCodes, code)
	}
	return false
}
