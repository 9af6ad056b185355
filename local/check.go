package main

import (
	"errors"

	"o2archiver/local/azurite"
	"o2archiver/shared/settings"
)

// checkSettings returns every mistake in the settings that the environment has, as the apps would find them. What the stand-ins
// add counts as there.
func checkSettings(lookup func(string) (string, bool)) error {
	given := func(name string) bool {
		v, ok := lookup(name)
		return ok && v != ""
	}
	if given("ARCHIVE_STORAGE__blobServiceUri") || given("ARCHIVE_STORAGE__tableServiceUri") {
		return errors.New("ARCHIVE_STORAGE__blobServiceUri and ARCHIVE_STORAGE__tableServiceUri go with an identity in Azure; " +
			"the local run takes a connection string, ARCHIVE_STORAGE")
	}
	standIns := map[string]string{}
	if !given("ARCHIVE_STORAGE") {
		standIns["ARCHIVE_STORAGE"] = "AccountName=" + azurite.Account + ";AccountKey=" + azurite.Key
	}
	if !given("TELEMESSAGE_URL") {
		standIns["TELEMESSAGE_URL"] = "http://127.0.0.1"
		for name, value := range map[string]string{"TELEMESSAGE_USERNAME": siteUser, "TELEMESSAGE_PASSWORD": sitePassword} {
			if !given(name) {
				standIns[name] = value
			}
		}
	}
	return settings.Check(func(name string) (string, bool) {
		if v, ok := standIns[name]; ok {
			return v, true
		}
		return lookup(name)
	})
}
