//! A workbook in Office Open XML (ECMA-376), as small as spreadsheet programs accept it.

use std::fmt::Write;

use anyhow::Result;

use super::zip::Archive;

/// One cell that is not empty.
#[derive(Debug)]
pub enum Cell {
    /// Words.
    Text(String),
    /// A number without a format.
    Number(f64),
    /// A time of day, shown as `h:mm AM/PM` (number format 18).
    Time {
        /// Minutes since midnight.
        minutes: u32,
    },
}

/// One sheet; a row without cells is left out, as spreadsheet programs do.
#[derive(Debug)]
pub struct Sheet {
    /// The name on the tab.
    pub name: String,
    /// Rows of cells from column A on.
    pub rows: Vec<Vec<Cell>>,
}

const HEAD: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\" standalone=\"yes\"?>\n";
const MAIN: &str = "http://schemas.openxmlformats.org/spreadsheetml/2006/main";
const RELATIONS: &str = "http://schemas.openxmlformats.org/package/2006/relationships";
const OFFICE: &str = "http://schemas.openxmlformats.org/officeDocument/2006/relationships";
const SHEET_TYPE: &str = "application/vnd.openxmlformats-officedocument.spreadsheetml";

/// Two cell formats: 0 plain, 1 a time of day.
const FORMATS: &str = "<fonts count=\"1\"><font><sz val=\"11\"/><name val=\"Arial\"/></font></fonts>\
    <fills count=\"2\"><fill><patternFill patternType=\"none\"/></fill><fill><patternFill patternType=\"gray125\"/></fill></fills>\
    <borders count=\"1\"><border/></borders>\
    <cellStyleXfs count=\"1\"><xf numFmtId=\"0\" fontId=\"0\" fillId=\"0\" borderId=\"0\"/></cellStyleXfs>\
    <cellXfs count=\"2\"><xf numFmtId=\"0\" fontId=\"0\" fillId=\"0\" borderId=\"0\" xfId=\"0\"/>\
    <xf numFmtId=\"18\" fontId=\"0\" fillId=\"0\" borderId=\"0\" xfId=\"0\" applyNumberFormat=\"1\"/></cellXfs>";

/// The bytes of a workbook.
///
/// # Errors
/// When a part is larger than 4 GiB.
pub fn write(sheets: &[Sheet]) -> Result<Vec<u8>> {
    let mut archive = Archive::default();
    let numbered = || (1_usize..).zip(sheets);
    let types: String = numbered()
        .map(|(number, _)| format!("<Override PartName=\"/xl/worksheets/sheet{number}.xml\" ContentType=\"{SHEET_TYPE}.worksheet+xml\"/>"))
        .collect();
    archive.add("[Content_Types].xml", &content_types(&types))?;
    let office = format!("<Relationship Id=\"rId1\" Type=\"{OFFICE}/officeDocument\" Target=\"xl/workbook.xml\"/>");
    archive.add("_rels/.rels", &relations(&office))?;
    let tabs: String = numbered()
        .map(|(number, sheet)| format!("<sheet name=\"{}\" sheetId=\"{number}\" r:id=\"rId{number}\"/>", escaped(&sheet.name)))
        .collect();
    let workbook = format!("{HEAD}<workbook xmlns=\"{MAIN}\" xmlns:r=\"{OFFICE}\"><sheets>{tabs}</sheets></workbook>");
    archive.add("xl/workbook.xml", &workbook)?;
    let mut parts: String = numbered()
        .map(|(number, _)| {
            format!("<Relationship Id=\"rId{number}\" Type=\"{OFFICE}/worksheet\" Target=\"worksheets/sheet{number}.xml\"/>")
        })
        .collect();
    let styles = sheets.len() + 1;
    let _ = write!(parts, "<Relationship Id=\"rId{styles}\" Type=\"{OFFICE}/styles\" Target=\"styles.xml\"/>");
    archive.add("xl/_rels/workbook.xml.rels", &relations(&parts))?;
    archive.add("xl/styles.xml", &format!("{HEAD}<styleSheet xmlns=\"{MAIN}\">{FORMATS}</styleSheet>"))?;
    for (number, sheet) in numbered() {
        archive.add(&format!("xl/worksheets/sheet{number}.xml"), &worksheet(sheet))?;
    }
    archive.finish()
}

fn content_types(sheets: &str) -> String {
    format!(
        "{HEAD}<Types xmlns=\"http://schemas.openxmlformats.org/package/2006/content-types\">\
         <Default Extension=\"rels\" ContentType=\"application/vnd.openxmlformats-package.relationships+xml\"/>\
         <Default Extension=\"xml\" ContentType=\"application/xml\"/>\
         <Override PartName=\"/xl/workbook.xml\" ContentType=\"{SHEET_TYPE}.sheet.main+xml\"/>\
         <Override PartName=\"/xl/styles.xml\" ContentType=\"{SHEET_TYPE}.styles+xml\"/>{sheets}</Types>"
    )
}

fn relations(inner: &str) -> String {
    format!("{HEAD}<Relationships xmlns=\"{RELATIONS}\">{inner}</Relationships>")
}

fn worksheet(sheet: &Sheet) -> String {
    let mut xml = format!("{HEAD}<worksheet xmlns=\"{MAIN}\"><sheetData>");
    for (number, row) in (1_usize..).zip(&sheet.rows).filter(|(_, row)| !row.is_empty()) {
        let _ = write!(xml, "<row r=\"{number}\">");
        for (column, cell) in ('A'..='Z').zip(row) {
            let _ = match cell {
                Cell::Text(text) => {
                    write!(xml, "<c r=\"{column}{number}\" t=\"inlineStr\"><is><t xml:space=\"preserve\">{}</t></is></c>", escaped(text))
                }
                Cell::Number(value) => write!(xml, "<c r=\"{column}{number}\"><v>{value}</v></c>"),
                Cell::Time { minutes } => {
                    write!(xml, "<c r=\"{column}{number}\" s=\"1\"><v>{}</v></c>", f64::from(*minutes) / (24.0 * 60.0))
                }
            };
        }
        xml.push_str("</row>");
    }
    xml.push_str("</sheetData></worksheet>");
    xml
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_row_leaves_its_number_out() {
        let rows = vec![vec![Cell::Text("a<b".to_owned())], Vec::new(), vec![Cell::Time { minutes: 720 }, Cell::Number(3.0)]];
        let xml = worksheet(&Sheet { name: "011024".to_owned(), rows });
        let data = xml.split_once("<sheetData>").expect("has data").1;
        assert_eq!(
            data,
            "<row r=\"1\"><c r=\"A1\" t=\"inlineStr\"><is><t xml:space=\"preserve\">a&lt;b</t></is></c></row>\
             <row r=\"3\"><c r=\"A3\" s=\"1\"><v>0.5</v></c><c r=\"B3\"><v>3</v></c></row></sheetData></worksheet>"
        );
    }
}
