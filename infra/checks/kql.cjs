// Reads {"name": "KQL", …} from standard input, and writes for each query what Microsoft's own parser finds wrong with
// it, and which columns it returns: {"name": {"wrong": ["…"], "columns": ["…"]}, …}. It knows the columns of the tables
// that the queries use, and no others.
const fs = require('fs');
require('@kusto/language-service-next/bridge.min.js');
require('@kusto/language-service-next/Kusto.Language.Bridge.min.js');
const { GlobalState, KustoCode, Symbols } = globalThis.Kusto.Language;

// https://learn.microsoft.com/azure/azure-monitor/reference/tables/tables-category: of each what is asked for.
const storage =
  '(TimeGenerated: datetime, OperationName: string, StatusText: string, ObjectKey: string, AccountName: string)';
const tables = {
  AppTraces: '(TimeGenerated: datetime, Message: string, _ResourceId: string)',
  StorageBlobLogs: storage,
  StorageQueueLogs: storage,
};
const symbols = Object.entries(tables).map(([name, columns]) => new Symbols.TableSymbol.$ctor7(name, columns, null));
const workspace = new Symbols.DatabaseSymbol.ctor('workspace', symbols);
const known = GlobalState.Default.WithDatabase(workspace);

const list = (items) => Array.from({ length: items ? items.Count : 0 }, (_, i) => items.getItem(i));
const said = {};
for (const [name, text] of Object.entries(JSON.parse(fs.readFileSync(0, 'utf8')))) {
  const code = KustoCode.ParseAndAnalyze(text, known);
  said[name] = {
    wrong: list(code.GetDiagnostics()).map((d) => `line ${text.slice(0, d.Start).split('\n').length}: ${d.Message}`),
    columns: list(code.ResultType && code.ResultType.Columns).map((c) => c.Name),
  };
}
process.stdout.write(JSON.stringify(said));
