//! Merged cells.

use serde_json::Value;

use super::{Reply, block};
use crate::sandbox::google::grid::{Axis, Block, Spreadsheet, Tab};

const PARTLY: &str = "You must select all cells in a merged range to merge or unmerge them.";

/// `mergeCells`; the first cell keeps what it holds, the others lose it.
pub(super) fn merge(spreadsheet: &mut Spreadsheet, request: &Value) -> Reply {
    let (place, area) = whole(spreadsheet, request)?;
    let tab = &mut spreadsheet.tabs[place];
    for axis in [Axis::Rows, Axis::Columns] {
        let ((start, end), edge) = (area.span(axis), *tab.frozen(axis));
        let across = match (axis, request["mergeType"].as_str()) {
            (Axis::Rows, Some("MERGE_ROWS")) | (Axis::Columns, Some("MERGE_COLUMNS")) => false,
            _ => start < edge && edge < end,
        };
        if across {
            return Err(format!("You can't merge frozen and non-frozen {}.", axis.name()));
        }
    }
    tab.merges.retain(|merge| !area.holds(merge));
    match request["mergeType"].as_str() {
        Some("MERGE_COLUMNS") => {
            for left in area.left..area.right {
                join(tab, Block { left, right: left + 1, ..area });
            }
        }
        Some("MERGE_ROWS") => {
            for top in area.top..area.bottom {
                join(tab, Block { top, bottom: top + 1, ..area });
            }
        }
        _ => join(tab, area),
    }
    Ok(Value::Null)
}

/// `unmergeCells`
pub(super) fn unmerge(spreadsheet: &mut Spreadsheet, request: &Value) -> Reply {
    let (place, area) = whole(spreadsheet, request)?;
    spreadsheet.tabs[place].merges.retain(|merge| !area.holds(merge));
    Ok(Value::Null)
}

/// The range of a request, which may not hold a merge in part.
fn whole(spreadsheet: &Spreadsheet, request: &Value) -> Result<(usize, Block), String> {
    let (place, area) = block(spreadsheet, &request["range"])?;
    if spreadsheet.tabs[place].cut_by(&area) {
        return Err(PARTLY.to_owned());
    }
    Ok((place, area))
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
