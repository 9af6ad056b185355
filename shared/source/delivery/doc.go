// Package delivery is the format of what the vendor of TeleMessage documents as its delivery: ZIPs of e-mail messages
// (EML) with a manifest in each. Describe turns a message into the entry of a batch, and Parse turns the entry into a
// record. The package knows no server and no storage.
//
// The vendor's pages name the header fields and three rules for the manifest, and no more. So everything is read
// leniently, whatever cannot be read is named in the record, and the message itself is kept untouched.
package delivery
