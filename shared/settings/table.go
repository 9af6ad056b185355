package settings

import (
	"slices"
	"time"
)

const (
	storage = "ARCHIVE_STORAGE"
	// The suffixes are defined by the Functions host: its blob trigger reads the same settings (connection
	// "ARCHIVE_STORAGE" in functions/import/function.json).
	storageBlob   = storage + "__blobServiceUri"
	storageTable  = storage + "__tableServiceUri"
	storageClient = storage + "__clientId"

	source = "SOURCE"

	siteURL            = "TELEMESSAGE_URL"
	sitePassword       = "TELEMESSAGE_PASSWORD"
	sitePasswordSecret = sitePassword + "_SECRET"

	sftpHost             = "DELIVERY_SFTP_HOST"
	sftpUsername         = "DELIVERY_SFTP_USERNAME"
	sftpPassword         = "DELIVERY_SFTP_PASSWORD"
	sftpPasswordSecret   = sftpPassword + "_SECRET"
	sftpKey              = "DELIVERY_SFTP_KEY"
	sftpKeySecret        = sftpKey + "_SECRET"
	sftpPassphrase       = "DELIVERY_SFTP_KEY_PASSPHRASE"
	sftpPassphraseSecret = sftpPassphrase + "_SECRET"
	sftpHostKeys         = "DELIVERY_SFTP_HOST_KEYS"
	sftpConcurrent       = "DELIVERY_SFTP_CONCURRENT_READS"
	deliveryFolder       = "DELIVERY_FOLDER"
	stableAfter          = "DELIVERY_STABLE_AFTER"
	landing              = "DELIVERY_LANDING"
	landingBlob          = landing + "__blobServiceUri"
	deliveryFrom         = "DELIVERY_FROM"
	deliveryDomains      = "DELIVERY_DOMAINS"

	importsKind         = "IMPORTS_KIND"
	importsNetwork      = "IMPORTS_NETWORK"
	importsNumberHeader = "IMPORTS_NUMBER_HEADER"

	graphURL      = "GRAPH_URL"
	azureCloud    = "AZURE_CLOUD"
	defaultRegion = "DEFAULT_REGION"
)

// allSettings returns the table, in the order of the documentation.
func allSettings() []Setting {
	both, all, shown := []string{Fetch, Import}, []string{Fetch, Import, Portal}, []string{Import, Portal}
	return slices.Concat(sourceSettings(), []Setting{
		{
			Name: "FETCH_SCHEDULE", Default: "0 30 5 * * *", Apps: []string{Fetch}, kind: text, check: checkSchedule,
			Form:    "NCRONTAB with six fields: second minute hour day month day-of-week, in UTC",
			Example: "0 30 5 * * *",
			Meaning: "when runs start. With `SOURCE=telemessage` once a day, after 05:00 GMT, when the source builds " +
				"its conversation threads (docs/source-contract.md); with `SOURCE=delivery` best each hour, such as " +
				"`0 30 * * * *`, so that what comes is read soon and what does not come is reported after 26 hours",
		},
		{
			Name: "PAUSED", Default: "false", Apps: both, kind: boolean,
			Form:    "true or false",
			Example: "true",
			Meaning: "whether the app waits until an administrator starts it (`infra/command start`, or the portal: " +
				"the end of a set-up, or Commands); it counts as long as `settings/connector.json` says " +
				"nothing about the app",
		},
		{
			Name: "AWAIT_SETUP", Default: "false", Apps: []string{Fetch}, kind: boolean,
			Form:    "true or false",
			Example: "true",
			Meaning: "whether fetch, as long as it has never fetched anything, waits for the end of the set-up in " +
				"the portal, or a start by `infra/command start`. It counts as long as `settings/connector.json` " +
				"says neither; the deployment sets it with the portal",
		},
		{
			Name: storage, Apps: all, kind: secret, check: checkConnection,
			Form:    "a connection string, spelt out",
			Example: "DefaultEndpointsProtocol=https;AccountName=contosoarchive;AccountKey=bm90LWEta2V5",
			Meaning: "the storage account of the archive, with its key; for one machine only. In Azure use `" +
				storageBlob + "` and `" + storageTable + "`",
		},
		{
			Name: storageBlob, Apps: all, kind: address,
			Form:    "an https address without user name, query or fragment",
			Example: "https://contosoarchive.blob.core.windows.net",
			Meaning: "the Blob service of the archive's storage account, used with the app's own identity",
		},
		{
			Name: storageTable, Apps: all, kind: address,
			Form:    "an https address without user name, query or fragment",
			Example: "https://contosoarchive.table.core.windows.net",
			Meaning: "the Table service of the same account",
		},
		{
			Name: storageClient, Apps: all, kind: text, check: checkID,
			derived: "the app's own identity",
			Form:    "a client id: 32 hex digits in five groups",
			Example: "00000000-0000-0000-0000-000000000000",
			Meaning: "which user-assigned managed identity to use, for storage, Key Vault and Microsoft Graph",
		},
		{
			Name: azureCloud, Default: "worldwide", Apps: all, kind: text, check: checkCloud,
			Form: "worldwide (GCC too), usgov-high, usgov-dod or china; also AzurePublic, AzureUSGovernment " +
				"(= usgov-high) and AzureChina",
			Example: "usgov-high",
			Meaning: "the cloud of the tenant: it decides where to sign in, and which Microsoft Graph is used",
		},
		{
			Name: graphURL, Apps: []string{Import}, kind: address, checkURL: checkGraphURL,
			derived: "by `" + azureCloud + "`",
			Form:    "the https address of one of the clouds' Microsoft Graph, or one on this machine",
			Example: "https://graph.microsoft.com",
			Meaning: "the address of Microsoft Graph",
		},
		{
			Name: defaultRegion, Default: "GB", Apps: shown, kind: text, check: checkRegion,
			Form:    "a country's two letters of ISO 3166",
			Example: "IE",
			Meaning: "the country whose national format is assumed for a telephone number without a country code",
		},
		{
			Name: "AUTOMATIC_MAPPING", Default: "true", Apps: shown, kind: boolean,
			Changeable: true,
			Form:       "true or false",
			Example:    "true",
			Meaning:    "find the mailbox by the item's property User's Email address",
		},
		{
			Name: "CUSTOM_MAPPING", Default: "true", Apps: shown, kind: boolean,
			Changeable: true,
			Form:       "true or false",
			Example:    "true",
			Meaning:    "find the mailbox in the uploaded CSV file first",
		},
		{
			Name: "ACCEPTED_DOMAINS", Apps: shown, kind: list, check: checkDomain,
			Changeable: true,
			derived:    "all of the tenant's",
			Form:       "domains, separated by commas",
			Example:    "contoso.com, contoso.co.uk",
			Meaning: "the domains that automatic mapping may import into; mailboxes in the CSV file are " +
				"not restricted by it",
		},
		{
			Name: "FOLDER_NAME", Default: "O2 SMS and Voice Network Archiver", Apps: []string{Import}, kind: text,
			check:   checkFolder,
			Form:    "up to 255 characters, none of them a control character",
			Example: "O2 SMS and Voice Network Archiver",
			Meaning: "the folder in each mailbox; after a change new items go to a folder with the new name",
		},
		{
			Name: "MESSAGE_CLASS", Default: "IPM.Note", Apps: []string{Import}, kind: text, check: checkClass,
			Form:    "IPM.Note, a class below it, or a class below IPM.ExternalData",
			Example: "IPM.Note.O2SMS",
			Meaning: "the Outlook message class of the imported items",
		},
		{
			Name: "MESSAGE_BODY", Default: "text", Apps: []string{Import}, kind: text, check: checkBody,
			Form:    "text or html",
			Example: "html",
			Meaning: "the form of the text in the mailbox: plain text, sent as it is, or HTML, with " +
				"the pictures of an MMS",
		},
		{
			Name: "OUTLOOK_CONVERSATIONS", Default: "false", Apps: []string{Import}, kind: boolean,
			Form:    "true or false",
			Example: "true",
			Meaning: "mark messages of one conversation for Outlook (PidTagConversationTopic and " +
				"PidTagConversationIndex); not tried in a tenant yet",
		},
		{
			Name: "MAX_ITEM_SIZE", Default: "150MB", Apps: shown, kind: size, min: 1000, max: 150e6,
			Changeable: true,
			Form:       "a number with its unit (kB, MB, KiB, MiB), from 1kB to 150MB",
			Example:    "10MB",
			Meaning: "a larger item is imported with a reference in place of its attachments; 10MB is the limit " +
				"of the original connector",
		},
		{
			Name: "IMPORT_CONCURRENCY", Default: "64", Apps: []string{Import}, kind: number, min: 1, max: 1024,
			Form:    "a whole number from 1 to 1024",
			Example: "64",
			Meaning: "the maximum number of requests that one instance has under way at Microsoft Graph, for " +
				"all mailboxes together",
		},
		{
			Name: "MAILBOX_PERMITS", Default: "3", Apps: []string{Import}, kind: number, min: 1, max: 4,
			Form:    "a whole number from 1 to 4",
			Example: "3",
			Meaning: "the maximum number of requests that one instance has under way for one mailbox. Microsoft " +
				"Graph allows 4 for all instances together, and 10,000 in 10 minutes, which each instance " +
				"enforces by itself",
		},
		{
			Name: "IN_DOUBT_AFTER", Default: "90s", Apps: []string{Import}, kind: duration,
			min: int64(time.Second), max: int64(10 * time.Minute),
			Form:    "a duration from 1s to 10m",
			Example: "90s",
			Meaning: "how long after the last renewal of its claim on a copy an instance counts as alive; after that " +
				"another instance may take the copy over",
		},
		{
			Name: "SWEEP_AFTER", Default: "10m", Apps: []string{Import}, kind: duration, max: int64(24 * time.Hour),
			Form:    "a duration from 0s to 24h",
			Example: "10m",
			Meaning: "the age at which sweep processes an unfinished batch",
		},
		{
			Name: "PORTAL_SIGN_IN", Default: "platform", Apps: []string{Portal}, kind: text, check: checkSignIn,
			Form:    "platform, deployment or local",
			Example: "platform",
			Meaning: "who signs people in: `platform` is App Service Authentication, if the platform's variable " +
				"`WEBSITE_AUTH_ENABLED` confirms it; `deployment` the same where the platform does not pass the " +
				"variable on; `local` is one machine, where everyone is an administrator. Anything else that does " +
				"not fit refuses every request",
		},
		{
			Name: "PORTAL_TENANT", Apps: []string{Portal}, kind: text, check: checkID,
			derived: "none: every request is refused",
			Form:    "a tenant id: 32 hex digits in five groups",
			Example: "00000000-0000-0000-0000-000000000000",
			Meaning: "the tenant whose people may use the portal; not needed with `PORTAL_SIGN_IN=local`",
		},
	})
}
