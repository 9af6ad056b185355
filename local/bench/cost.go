package main

// List prices in US dollars, East US, locally redundant, pay as you go, without the free grants, as of spring 2025.
// They differ by region and change: the counts matter more than the prices.
const (
	// Flex Consumption, on demand, per GB of the instance's memory and second of execution.
	pricePerGBs     = 0.000026
	pricePerRun     = 0.40 / 1e6    // per execution of a function
	pricePerTableOp = 0.00036 / 1e4 // Table Storage
	pricePerBlobOp  = 0.05 / 1e4    // Blob Storage, hot: the price of a write, the most expensive kind
	pricePerQueueOp = 0.0004 / 1e4  // Queue Storage
	pricePerEvent   = 0.60 / 1e6    // Event Grid, per event received and per event delivered
	pricePerLogGB   = 2.30          // Log Analytics, per GB ingested; the price includes a month of retention

	instanceGB = 2.0       // memory of an instance
	dayCopies  = 1_000_000 // copies of the day for which the cost is calculated
	dayRecords = dayCopies / 2

	// What is done whether there is work or not.
	sweeps       = 24 * 6  // one every 10 minutes
	commandTurns = 24 * 12 // one every 5 minutes
	sweepOps     = 12      // of a sweep without work: TestIdleSweepIsCheap in handlers/import counts them
	commandOps   = 2       // of a turn without a command: both lists
)

// Estimates of what can't be counted here, because the stand-in for the host has no queue, events and telemetry.
const (
	queueOpsPerBatch = 3    // the event is put into the host's queue, received and deleted
	hostBlobOps      = 1    // the host checks whether the blob still is the event's
	eventsPerBatch   = 3    // the batch's event is received and delivered; its journal's is received only
	hostLines        = 3    // the request, and the host's lines about its begin and end
	envelope         = 1e-6 // GB that Application Insights adds to the text of a line
)

// reportCost reports the cost of a day of a million copies, from the counts and the rate of the long import. It assumes
// an instance of its own for each app, which runs only while there is work.
func reportCost(r *report, first, rest counts, fetch fetched) {
	const group = "A day of 1,000,000 copies on Azure: one instance of 2 GB for each app, two copies of each record"
	whole := first.plus(rest)
	batches := dayRecords * fetch.batches
	importing, fetching := dayCopies/rest.rate()*instanceGB, dayRecords*fetch.seconds*instanceGB
	// In the import that was counted, each copy has a record of its own.
	tables := dayCopies*(float64(whole.tables)/float64(whole.copies)-1) + dayRecords
	blobs := dayRecords*(float64(whole.blobs)/float64(whole.copies)+fetch.blobs) + hostBlobOps*batches +
		sweeps*sweepOps + commandTurns*commandOps
	totals := batches * float64(whole.totals) / float64(whole.batches)
	logGB := batches *
		(float64(whole.bytes)/1e9/float64(whole.batches) +
			envelope*(hostLines+float64(whole.lines)/float64(whole.batches)))
	runs := batches + sweeps + commandTurns + 1
	// Each mailbox is looked up once; after that a copy costs what it costs when the mailboxes are known.
	requests := float64(rest.requests)/float64(rest.copies) +
		(float64(first.requests)-float64(first.copies))/dayCopies

	r.add(group, "Graph requests per copy, each mailbox and folder found once", requests, "", atMost(perCopy, "a copy"))
	r.add(group, "execution of import, at the rate measured", importing, "GB-s", noLimit())
	r.add(group, "execution of fetch, at the rate measured", fetching, "GB-s", noLimit())
	r.add(group, "runs of functions", runs, "", noLimit())
	r.add(group, "table operations", tables, "", noLimit())
	r.add(group, "operations for the totals", totals, "", noLimit())
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
		{"totals", totals * pricePerBlobOp}, // those of rows cost less
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
