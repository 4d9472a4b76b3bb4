/** Plain tables for a terminal. */

export interface Column<Row> {
  readonly title: string
  /** Figures stand right, words left. Default `left`. */
  readonly align?: 'left' | 'right'
  readonly cell: (row: Row) => string
}

/** The table's lines, columns two spaces apart, without a newline at the end. */
export function renderTable<Row>(columns: readonly Column<Row>[], rows: readonly Row[]): string {
  const cells = [columns.map((column) => column.title), ...rows.map((row) => columns.map((c) => c.cell(row)))]
  const widths = columns.map((_, index) => Math.max(...cells.map((line) => line[index]?.length ?? 0)))
  const lines = cells.map((line) =>
    line.map((text, index) => pad(text, widths[index] ?? 0, columns[index]?.align)),
  )
  const rule = widths.map((width) => '-'.repeat(width))
  return [...lines.slice(0, 1), rule, ...lines.slice(1)].map((line) => line.join('  ').trimEnd()).join('\n')
}

const pad = (text: string, width: number, align: 'left' | 'right' = 'left'): string =>
  align === 'right' ? text.padStart(width) : text.padEnd(width)

/** A rate with thousands separators, or a time or a size with as many decimals as it deserves. */
export function formatFigure(value: number, unit: 'ms' | '/s' | 'MB'): string {
  if (Number.isNaN(value)) return 'none'
  const digits = unit === '/s' || value >= 100 ? 0 : value >= 10 ? 1 : value >= 1 ? 2 : 3
  return `${value.toLocaleString('en-US', { minimumFractionDigits: digits, maximumFractionDigits: digits })} ${unit}`
}
