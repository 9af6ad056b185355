package main

// List prices in US dollars, East US, locally redundant, pay as you go, without the free grants, as of spring 2025. They differ by region
// and change: what counts is what is counted.
const (
	pricePerGBs     = 0.000026       // Flex Consumption, on demand, for each GB of the instance's memory and second of execution
	pricePerRun     = 0.40 / 1e6     // of a function
	pricePerTableOp = 0.00036 / 1e4  // Table Storage
	pricePerBlobOp  = 0.05 / 1e4     // Blob Storage, hot: as if each were a write, the dearest kind
	instanceGB      = 2.0            // memory of an instance
	dayCopies       = 1_000_000      // of the day that is reckoned
	runsPerCopy     = 1 / 100.0 * .5 // one event for 100 records, each of which becomes two copies
)

// cost says what a day of a million copies comes to, from the operations that were counted in a part of the run, if an instance
// imports so many copies a second.
func cost(r *report, tablesPerCopy, blobsPerRecord, copiesPerSecond float64) {
	const group = "A day of 1,000,000 copies on Azure, one instance of 2 GB, two copies of each record"
	gbs := dayCopies / copiesPerSecond * instanceGB
	tables, blobs := dayCopies*tablesPerCopy, dayCopies/2*blobsPerRecord
	r.add(group, "execution of import", gbs, "GB-s")
	r.add(group, "table operations", tables, "")
	r.add(group, "blob operations", blobs, "")
	r.add(group, "dollars, execution", gbs*pricePerGBs+dayCopies*runsPerCopy*pricePerRun, "$")
	r.add(group, "dollars, tables", tables*pricePerTableOp, "$")
	r.add(group, "dollars, blobs", blobs*pricePerBlobOp, "$")
}
