package settings

// cloud is where a tenant can live.
type cloud struct {
	name, alias    string // alias: what the Azure SDKs call it
	graph, login   string
	uploadSessions bool // whether an attachment can be uploaded in parts
}

func allClouds() []cloud {
	return []cloud{
		{"worldwide", "AzurePublic", "https://graph.microsoft.com", "https://login.microsoftonline.com", true},
		// Azure has one government cloud, but Graph has two there; most tenants are in the first.
		// Microsoft Graph: their published v1.0 schema has no createUploadSession for attachments.
		{"usgov-high", "AzureUSGovernment", "https://graph.microsoft.us", "https://login.microsoftonline.us", false},
		{"usgov-dod", "", "https://dod-graph.microsoft.us", "https://login.microsoftonline.us", false},
		{"china", "AzureChina", "https://microsoftgraph.chinacloudapi.cn", "https://login.chinacloudapi.cn", true},
	}
}

// Cloud gives the addresses of Microsoft Graph and of the sign-in for a name as
// String("AZURE_CLOUD") gives it. Both are "" for a name that is none.
func Cloud(name string) (graphURL, loginURL string) {
	for _, c := range allClouds() {
		if c.name == name {
			return c.graph, c.login
		}
	}
	return "", ""
}

// UploadSessions reports whether Microsoft Graph of that cloud can take an attachment of
// 3 MB and more; the name is as for Cloud.
func UploadSessions(name string) bool {
	for _, c := range allClouds() {
		if c.name == name {
			return c.uploadSessions
		}
	}
	return false
}
