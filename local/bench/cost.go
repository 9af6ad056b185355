package main

// List prices in US dollars, East US, locally redundant, pay as you go, without the free grants, as of spring 2025. They differ by region
// and change: what counts is what is counted.
const (
	pricePerGBs     = 0.000026      // Flex Consumption, on demand, for each GB of the instance's memory and second of execution
	pricePerRun     = 0.40 / 1e6    // of a function
	pricePerTableOp = 0.00036 / 1e4 // Table Storage
	pricePerBlobOp  = 0.05 / 1e4    // Blob Storage, hot: as if each were a write, the dearest kind
	pricePerQueueOp = 0.0004 / 1e4  // Queue Storage
	pricePerEvent   = 0.60 / 1e6    // Event Grid, for each event that comes in and each that goes out
	pricePerLogGB   = 2.30          // Log Analytics, what comes in; it is kept for a month at that price

	instanceGB = 2.0       // memory of an instance
	dayCopies  = 1_000_000 // of the day that is reckoned
	dayRecords = dayCopies / 2
	sweeps     = 24
)

// What can't be counted here, since the stand-in of the host has no queue, no events and no telemetry of its own.
const (
	queueOpsPerBatch = 3    // the event is put in the host's queue, taken and deleted
	hostBlobOps      = 1    // the host looks whether the blob is still the event's
	eventsPerBatch   = 3    // the batch's comes in and goes out; its journal's comes in and goes nowhere
	hostLines        = 3    // the request, and the host's lines that say that it begins and ends
	envelope         = 1e-6 // GB that Application Insights makes of a line besides its text
)

// reportCost says what a day of a million copies comes to, from what was counted in the long import, at the rate that was measured in it: with
// an instance of its own for each app that runs only as long as there is something to do.
func reportCost(r *report, first, rest counts, fetch fetched) {
	const group = "A day of 1,000,000 copies on Azure: one instance of 2 GB for each app, two copies of each record"
	whole := first.plus(rest)
	batches := dayRecords * fetch.batches
	importing, fetching := dayCopies/rest.rate()*instanceGB, dayRecords*fetch.seconds*instanceGB
	tables := dayCopies*(float64(whole.tables)/float64(whole.copies)-1) + dayRecords // in the import each copy has a record of its own
	blobs := dayRecords*(float64(whole.blobs)/float64(whole.copies)+fetch.blobs) + hostBlobOps*batches
	logGB := batches * (float64(whole.bytes)/1e9/float64(whole.batches) + envelope*(hostLines+float64(whole.lines)/float64(whole.batches)))
	runs := batches + sweeps + 1
	// Each mailbox is found once; from then on a copy is what it is when mailboxes are known.
	requests := float64(rest.requests)/float64(rest.copies) + (float64(first.requests)-float64(first.copies))/dayCopies

	r.add(group, "Graph requests per copy, each mailbox and folder found once", requests, "", atMost(perCopy, "a copy"))
	r.add(group, "execution of import, at the rate measured", importing, "GB-s", noLimit())
	r.add(group, "execution of fetch, at the rate measured", fetching, "GB-s", noLimit())
	r.add(group, "runs of functions", runs, "", noLimit())
	r.add(group, "table operations", tables, "", noLimit())
	r.add(group, "blob operations, of fetch and import and the host's", blobs, "", noLimit())
	r.add(group, "queue operations of the trigger, reckoned", queueOpsPerBatch*batches, "", noLimit())
	r.add(group, "operations of Event Grid, reckoned", eventsPerBatch*batches, "", noLimit())
	r.add(group, "logs", logGB*1e3, "MB", noLimit())
	var all float64
	for _, part := range []struct {
		name    string
		dollars float64
	}{
		{"execution", (importing+fetching)*pricePerGBs + runs*pricePerRun},
		{"tables", tables * pricePerTableOp},
		{"blobs", blobs * pricePerBlobOp},
		{"queue", queueOpsPerBatch * batches * pricePerQueueOp},
		{"events", eventsPerBatch * batches * pricePerEvent},
		{"logs", logGB * pricePerLogGB},
	} {
		r.add(group, "dollars, "+part.name, part.dollars, "$", noLimit())
		all += part.dollars
	}
	r.add(group, "dollars, all of that", all, "$", noLimit())
}
