//! Merged cells.

use serde_json::Value;

use super::{Reply, block};
use crate::sandbox::google::grid::{Axis, Block, Spreadsheet, Tab};

const PARTLY: &str = "You must select all cells in a merged range to merge or unmerge them.";

/// `mergeCells`; the first cell keeps what it holds, the others lose it.
pub(super) fn merge(spreadsheet: &mut Spreadsheet, request: &Value) -> Reply {
    let (place, area) = block(spreadsheet, &request["range"])?;
    let kind = request["mergeType"].as_str().unwrap_or("MERGE_ALL");
    merge_block(&mut spreadsheet.tabs[place], area, kind).map(|()| Value::Null)
}

/// Merges a block of a tab, people's way and the API's.
pub(in crate::sandbox::google) fn merge_block(tab: &mut Tab, area: Block, kind: &str) -> Result<(), String> {
    if tab.cut_by(&area) {
        return Err(PARTLY.to_owned());
    }
    for axis in [Axis::Rows, Axis::Columns] {
        let ((start, end), edge) = (area.span(axis), *tab.frozen(axis));
        let across = match (axis, kind) {
            (Axis::Rows, "MERGE_ROWS") | (Axis::Columns, "MERGE_COLUMNS") => false,
            _ => start < edge && edge < end,
        };
        if across {
            return Err(format!("You can't merge frozen and non-frozen {}.", axis.name()));
        }
    }
    tab.merges.retain(|merge| !area.holds(merge));
    match kind {
        "MERGE_COLUMNS" => {
            for left in area.left..area.right {
                join(tab, Block { left, right: left + 1, ..area });
            }
        }
        "MERGE_ROWS" => {
            for top in area.top..area.bottom {
                join(tab, Block { top, bottom: top + 1, ..area });
            }
        }
        _ => join(tab, area),
    }
    Ok(())
}

/// `unmergeCells`; the range may not hold a merge in part.
pub(super) fn unmerge(spreadsheet: &mut Spreadsheet, request: &Value) -> Reply {
    let (place, area) = block(spreadsheet, &request["range"])?;
    let tab = &mut spreadsheet.tabs[place];
    if tab.cut_by(&area) {
        return Err(PARTLY.to_owned());
    }
    tab.merges.retain(|merge| !area.holds(merge));
    Ok(Value::Null)
}

/// Makes one cell of a block.
fn join(tab: &mut Tab, block: Block) {
    if block.height() * block.width() < 2 {
        return;
    }
    for (row, column) in block.cells().skip(1) {
        if tab.cell(row, column).entered.is_some() {
            tab.cell_mut(row, column).entered = None;
        }
    }
    tab.merges.push(block);
}
