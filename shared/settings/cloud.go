package settings

// cloud is a Microsoft cloud that a tenant can be in.
type cloud struct {
	name, alias    string // alias is the name in the Azure SDKs
	graph, login   string
	vault          string // domain of the Key Vaults
	uploadSessions bool   // whether an attachment can be uploaded in parts
}

// allClouds returns the clouds of Microsoft that are supported.
func allClouds() []cloud {
	return []cloud{
		{"worldwide", "AzurePublic", "https://graph.microsoft.com", "https://login.microsoftonline.com",
			"vault.azure.net", true},
		// Azure has one government cloud, but Graph has two in it; most tenants are in the first. The published v1.0
		// schema of Microsoft Graph in both has no createUploadSession for attachments.
		{"usgov-high", "AzureUSGovernment", "https://graph.microsoft.us", "https://login.microsoftonline.us",
			"vault.usgovcloudapi.net", false},
		{"usgov-dod", "", "https://dod-graph.microsoft.us", "https://login.microsoftonline.us",
			"vault.usgovcloudapi.net", false},
		{"china", "AzureChina", "https://microsoftgraph.chinacloudapi.cn", "https://login.chinacloudapi.cn",
			"vault.azure.cn", true},
	}
}

// Cloud returns the addresses of Microsoft Graph and of the sign-in service for a cloud, by the name that
// String("AZURE_CLOUD") returns. Both are "" if the name is unknown.
func Cloud(name string) (graphURL, loginURL string) {
	for _, c := range allClouds() {
		if c.name == name {
			return c.graph, c.login
		}
	}
	return "", ""
}

// UploadSessions reports whether Microsoft Graph in that cloud accepts attachments of 3 MB and more. The name is as
// for Cloud.
func UploadSessions(name string) bool {
	for _, c := range allClouds() {
		if c.name == name {
			return c.uploadSessions
		}
	}
	return false
}
