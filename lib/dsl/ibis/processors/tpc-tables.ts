/**
 * Tables of the TPC-H (3.0) and TPC-DS (3.2) specifications, which the human pairs speak of. A column is written without
 * its table's prefix; its type follows from its suffix, or from a mark: `#` integer, `$` decimal, `@` date, else text.
 */
import type { Schema } from "../../dsl.js";

const TPC_H = `
customer c_: custkey# name address nationkey# phone acctbal$ mktsegment comment
lineitem l_: orderkey# partkey# suppkey# linenumber# quantity$ extendedprice$ discount$ tax$ returnflag linestatus shipdate@ commitdate@ receiptdate@ shipinstruct shipmode comment
nation n_: nationkey# name regionkey# comment
orders o_: orderkey# custkey# orderstatus totalprice$ orderdate@ orderpriority clerk shippriority# comment
part p_: partkey# name mfgr brand type size# container retailprice$ comment
partsupp ps_: partkey# suppkey# availqty# supplycost$ comment
region r_: regionkey# name comment
supplier s_: suppkey# name address nationkey# phone acctbal$ comment`;

const ADDRESS =
  "street_number street_name street_type suite_number city county state zip country gmt_offset$";
const CENTRE = `rec_start_date@ rec_end_date@`;
const SALE =
  "wholesale_cost$ list_price$ sales_price$ ext_discount_amt$ ext_sales_price$ ext_wholesale_cost$ ext_list_price$ ext_tax$ coupon_amt$";
const SHIPPED = `${SALE} ext_ship_cost$ net_paid$ net_paid_inc_tax$ net_paid_inc_ship$ net_paid_inc_ship_tax$ net_profit$`;
const REFUND = "return_tax$ return_amt_inc_tax$ fee$ return_ship_cost$ refunded_cash$ reversed_charge$";

const TPC_DS = `
call_center cc_: call_center_sk# call_center_id ${CENTRE} closed_date_sk# open_date_sk# name class employees# sq_ft# hours manager mkt_id# mkt_class mkt_desc market_manager division# division_name company# company_name ${ADDRESS} tax_percentage$
catalog_page cp_: catalog_page_sk# catalog_page_id start_date_sk# end_date_sk# department catalog_number# catalog_page_number# description type
catalog_returns cr_: returned_date_sk# returned_time_sk# item_sk# refunded_customer_sk# refunded_cdemo_sk# refunded_hdemo_sk# refunded_addr_sk# returning_customer_sk# returning_cdemo_sk# returning_hdemo_sk# returning_addr_sk# call_center_sk# catalog_page_sk# ship_mode_sk# warehouse_sk# reason_sk# order_number# return_quantity# return_amount$ ${REFUND} store_credit$ net_loss$
catalog_sales cs_: sold_date_sk# sold_time_sk# ship_date_sk# bill_customer_sk# bill_cdemo_sk# bill_hdemo_sk# bill_addr_sk# ship_customer_sk# ship_cdemo_sk# ship_hdemo_sk# ship_addr_sk# call_center_sk# catalog_page_sk# ship_mode_sk# warehouse_sk# item_sk# promo_sk# order_number# quantity# ${SHIPPED}
customer c_: customer_sk# customer_id current_cdemo_sk# current_hdemo_sk# current_addr_sk# first_shipto_date_sk# first_sales_date_sk# salutation first_name last_name preferred_cust_flag birth_day# birth_month# birth_year# birth_country login email_address last_review_date_sk#
customer_address ca_: address_sk# address_id ${ADDRESS} location_type
customer_demographics cd_: demo_sk# gender marital_status education_status purchase_estimate# credit_rating dep_count# dep_employed_count# dep_college_count#
date_dim d_: date_sk# date_id date@ month_seq# week_seq# quarter_seq# year# dow# moy# dom# qoy# fy_year# fy_quarter_seq# fy_week_seq# day_name quarter_name holiday weekend following_holiday first_dom# last_dom# same_day_ly# same_day_lq# current_day current_week current_month current_quarter current_year
household_demographics hd_: demo_sk# income_band_sk# buy_potential dep_count# vehicle_count#
income_band ib_: income_band_sk# lower_bound# upper_bound#
inventory inv_: date_sk# item_sk# warehouse_sk# quantity_on_hand#
item i_: item_sk# item_id ${CENTRE} item_desc current_price$ wholesale_cost$ brand_id# brand class_id# class category_id# category manufact_id# manufact size formulation color units container manager_id# product_name
promotion p_: promo_sk# promo_id start_date_sk# end_date_sk# item_sk# cost$ response_target# promo_name channel_dmail channel_email channel_catalog channel_tv channel_radio channel_press channel_event channel_demo channel_details purpose discount_active
reason r_: reason_sk# reason_id reason_desc
ship_mode sm_: ship_mode_sk# ship_mode_id type code carrier contract
store s_: store_sk# store_id ${CENTRE} closed_date_sk# store_name number_employees# floor_space# hours manager market_id# geography_class market_desc market_manager division_id# division_name company_id# company_name ${ADDRESS} tax_percentage$
store_returns sr_: returned_date_sk# return_time_sk# item_sk# customer_sk# cdemo_sk# hdemo_sk# addr_sk# store_sk# reason_sk# ticket_number# return_quantity# return_amt$ ${REFUND} store_credit$ net_loss$
store_sales ss_: sold_date_sk# sold_time_sk# item_sk# customer_sk# cdemo_sk# hdemo_sk# addr_sk# store_sk# promo_sk# ticket_number# quantity# ${SALE} net_paid$ net_paid_inc_tax$ net_profit$
time_dim t_: time_sk# time_id time# hour# minute# second# am_pm shift sub_shift meal_time
warehouse w_: warehouse_sk# warehouse_id warehouse_name warehouse_sq_ft# ${ADDRESS}
web_page wp_: web_page_sk# web_page_id ${CENTRE} creation_date_sk# access_date_sk# autogen_flag customer_sk# url type char_count# link_count# image_count# max_ad_count#
web_returns wr_: returned_date_sk# returned_time_sk# item_sk# refunded_customer_sk# refunded_cdemo_sk# refunded_hdemo_sk# refunded_addr_sk# returning_customer_sk# returning_cdemo_sk# returning_hdemo_sk# returning_addr_sk# web_page_sk# reason_sk# order_number# return_quantity# return_amt$ ${REFUND} account_credit$ net_loss$
web_sales ws_: sold_date_sk# sold_time_sk# ship_date_sk# item_sk# bill_customer_sk# bill_cdemo_sk# bill_hdemo_sk# bill_addr_sk# ship_customer_sk# ship_cdemo_sk# ship_hdemo_sk# ship_addr_sk# web_page_sk# web_site_sk# ship_mode_sk# warehouse_sk# promo_sk# order_number# quantity# ${SHIPPED}
web_site web_: site_sk# site_id ${CENTRE} name open_date_sk# close_date_sk# class manager mkt_id# mkt_class mkt_desc market_manager company_id# company_name ${ADDRESS} tax_percentage$`;

const TYPES: Readonly<Record<string, string>> = { "#": "int64", $: "decimal(15, 2)", "@": "date" };

function parse(text: string): Schema {
  const tables = text
    .trim()
    .split("\n")
    .map((line): [string, Record<string, string>] => {
      const [head = "", columns = ""] = line.split(": ");
      const [table = "", prefix = ""] = head.split(" ");
      const typed = columns.split(" ").map((word): [string, string] => {
        const type = TYPES[word.at(-1) ?? ""];
        const name = prefix + (type === undefined ? word : word.slice(0, -1));
        return [name, type ?? "string"];
      });
      return [table, Object.fromEntries(typed)];
    });
  return Object.fromEntries(tables);
}

/** Tables of each suite, by the letters that the package calls it by. */
export const TPC_TABLES: Readonly<Record<"h" | "ds", Schema>> = { h: parse(TPC_H), ds: parse(TPC_DS) };
