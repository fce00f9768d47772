/** Trade, money and offices, in the notation of `parse.ts`. */
export const COMMERCE = `
retail
  orders order_id:key customer_id>customers product_id>products status=open|shipped|closed|returned region=north|south|east|west amount:money(5..900) quantity:count(1..40) discount:real(0..0.4) ordered_at:ts ship_date:date is_gift:flag
  customers customer_id:key name:person city:city country=US|DE|FR|IN segment=retail|business|online age:count(18..90) balance:money(-200..5000) signup_date:date active:flag
  products product_id:key category=toys|books|food|garden brand:word page_url:address price:money(2..400) stock:count(0..800) weight:real(0.1..30) launched:date discontinued:flag
grocery
  baskets basket_id:key shopper_id>shoppers store_id>stores total:money(3..260) items:count(1..70) paid_by=cash|card|voucher bought_at:ts self_checkout:flag
  shoppers shopper_id:key tier=basic|silver|gold points:count(0..9000) joined:date email:text
  stores store_id:key city:city format=express|super|hyper floor_area:real(80..9000) opened:date
fashion
  garments sku:key line=women|men|kids size=XS|S|M|L|XL colour=black|white|red|blue list_price:money(9..600) on_hand:count(0..500) season=spring|summer|autumn|winter released:date
  sales sale_id:key sku>garments channel=web|shop|outlet units:count(1..12) net_price:money(5..550) sold_on:date returned:flag
marketplace
  listings listing_id:key seller_id>sellers title:text photo_url:address condition=new|used|refurbished price:money(1..3000) views:count(0..20000) listed_at:ts sold:flag
  sellers seller_id:key handle:word country=US|GB|PL|CN rating:real(1..5) since:date verified:flag
  offers offer_id:key listing_id>listings bidder_id>sellers bid:money(1..2900) placed_at:ts accepted:flag
web_traffic
  page_views view_id:key visitor_id>visitors url:address device=phone|tablet|desktop seconds:real(0.5..900) scrolled:count(0..100) viewed_at:ts bounced:flag
  visitors visitor_id:key landing_page:address source=search|mail|social|direct country=US|DE|FR|IN visits:count(1..300) first_seen:date subscribed:flag
bank
  accounts account_id:key owner:person kind=checking|savings|loan balance:money(-900..90000) rate:real(0..0.09) opened:date closed:flag branch:city
  transactions tx_id:key account_id>accounts amount:money(-4000..4000) currency=USD|EUR|GBP|JPY channel=card|wire|cash merchant:word posted_at:ts flagged:flag
cards
  cards card_id:key holder:person network=visa|master|amex credit_limit:money(300..20000) issued:date blocked:flag
  charges charge_id:key card_id>cards mcc=5411|5812|4111|5999 charge:money(1..2500) country=US|DE|FR|IN charged_at:ts disputed:flag
lending
  loans loan_id:key borrower_id>borrowers principal:money(1000..400000) apr:real(0.01..0.3) term_months:count(6..360) purpose=car|home|study|business granted:date defaulted:flag
  borrowers borrower_id:key name:person income:money(12000..300000) score:count(300..850) employed:flag
  repayments repayment_id:key loan_id>loans paid:money(20..5000) due_on:date days_late:count(0..120)
insurance
  policies policy_no:key holder_id>holders product=home|car|life|travel premium:money(40..4000) excess:money(0..1000) starts:date ends:date lapsed:flag
  holders holder_id:key name:person postcode:text age:count(18..95) smoker:flag
  claims claim_no:key policy_no>policies cause=theft|fire|water|accident claimed:money(50..60000) settled:money(0..60000) filed_on:date status=open|paid|denied
trading
  trades trade_id:key instrument_id>instruments side=buy|sell qty:count(1..5000) price:money(0.5..900) executed_at:ts venue=XNYS|XNAS|XLON|XETR
  instruments instrument_id:key ticker:word sector=tech|energy|health|finance lot_size:count(1..100) listed:date
funds
  funds fund_id:key name:word style=growth|value|index|bond fee:real(0.0005..0.03) assets:money(100000..9000000) inception:date
  holdings holding_id:key fund_id>funds isin:text weight:real(0.001..0.12) market_value:money(1000..900000) as_of:date
crypto
  wallets wallet_id:key chain=btc|eth|sol created:ts cold:flag
  transfers transfer_id:key from_wallet>wallets to_wallet>wallets value:real(0.0001..90) gas:real(0..0.4) block:count(1..900000) mined_at:ts
accounting
  ledger entry_id:key account_code>chart debit:money(0..90000) credit:money(0..90000) period=Q1|Q2|Q3|Q4 booked_on:date reversed:flag
  chart account_code:key label:word class=asset|liability|income|expense active:flag
invoices
  invoices invoice_id:key client_id>clients net:money(20..40000) vat:money(0..8000) issued:date due:date state=draft|sent|paid|overdue
  clients client_id:key company:word industry=software|steel|food|media terms_days:count(7..90) city:city
procurement
  purchase_orders po_id:key vendor_id>vendors buyer_id>buyers total:money(50..120000) lines:count(1..60) approved:flag raised_on:date
  vendors vendor_id:key name:word country=US|DE|CN|VN lead_days:count(1..120) preferred:flag
  buyers buyer_id:key name:person desk=direct|indirect|capital
payroll
  payslips payslip_id:key employee_id>staff gross:money(900..14000) tax:money(50..6000) hours:real(10..220) paid_on:date
  staff employee_id:key name:person grade=A|B|C|D manager_id>staff hired:date full_time:flag
hr
  employees employee_id:key name:person department=sales|finance|legal|support title:text salary:money(22000..240000) bonus:money(0..40000) level:count(1..9) manager_id>employees hired:date remote:flag
  leaves leave_id:key employee_id>employees reason=sick|holiday|family days:count(1..30) start_date:date approved:flag
recruiting
  candidates candidate_id:key name:person source=referral|board|agency years_experience:count(0..40) applied_on:date
  interviews interview_id:key candidate_id>candidates role_id>roles round:count(1..5) rating:real(1..5) held_at:ts passed:flag
  roles role_id:key posting_url:address team=data|design|platform|sales band=junior|mid|senior open:flag budget:money(40000..200000)
crm
  leads lead_id:key owner_id>reps company:word stage=new|qualified|proposal|won|lost value:money(500..250000) touches:count(0..40) created_at:ts
  reps rep_id:key name:person territory=north|south|east|west quota:money(100000..2000000)
support
  tickets ticket_id:key requester_id>users assignee_id>agents priority=low|normal|high|urgent status=open|pending|solved opened_at:ts minutes_to_reply:count(1..2880) reopened:flag
  users user_id:key email:text plan=free|pro|team company:word
  agents agent_id:key name:person shift=early|late|night languages:count(1..5)
subscriptions
  plans plan_id:key tier=basic|plus|pro monthly:money(3..120) seats:count(1..500) annual:flag
  subscribers subscriber_id:key plan_id>plans country=US|BR|JP|DE started:date cancelled_on:date trial:flag
  payments payment_id:key subscriber_id>subscribers amount:money(3..1400) method=card|paypal|sepa paid_at:ts refunded:flag
advertising
  campaigns campaign_id:key landing_url:address advertiser:word goal=reach|clicks|sales budget:money(100..90000) starts:date ends:date paused:flag
  impressions impression_id:key campaign_id>campaigns site:word cost:money(0.001..0.2) shown_at:ts clicked:flag device=mobile|desktop|tablet
email_marketing
  mailings mailing_id:key target_url:address subject:text audience=all|new|lapsed sent_at:ts recipients:count(10..90000)
  opens open_id:key mailing_id>mailings opened_at:ts client=gmail|outlook|apple seconds_read:count(1..300)
pricing
  price_points id:key item:word currency=USD|EUR|GBP amount:money(1..900) valid_from:date valid_to:date floor_price:money(1..500)
franchise
  outlets outlet_id:key owner:person city:city royalty:real(0.02..0.12) opened:date drive_through:flag
  takings taking_id:key outlet_id>outlets gross:money(100..20000) guests:count(10..2000) day:date
wholesale
  pallets pallet_id:key warehouse=A|B|C product:word cases:count(1..120) cost:money(40..6000) best_before:date frozen:flag
auction
  lots lot_id:key sale=spring|autumn estimate:money(50..900000) hammer:money(40..1200000) department=wine|art|clocks|books sold_on:date
  bids bid_id:key lot_id>lots paddle:count(1..900) amount:money(40..1200000) placed_at:ts
gift_cards
  gift_cards card_no:key face_value:money(10..500) remaining:money(0..500) issued:date expired:flag
loyalty
  members member_id:key name:person level=bronze|silver|gold points:count(0..90000) enrolled:date
  rewards reward_id:key member_id>members kind=flight|hotel|voucher cost_points:count(500..60000) claimed_on:date
budgeting
  budgets budget_id:key cost_centre=IT|HR|Ops|Sales planned:money(1000..900000) spent:money(0..950000) fiscal_year:count(2018..2025) locked:flag
tax
  returns return_id:key filer_id>filers income:money(5000..400000) deductions:money(0..60000) refund:money(-9000..9000) filed_on:date audited:flag
  filers filer_id:key status=single|joint|head dependents:count(0..8) state=CA|TX|NY|WA
customs
  declarations declaration_id:key importer:word origin=CN|VN|US|BR hs_chapter:count(1..97) value:money(100..900000) duty:money(0..90000) cleared_at:ts inspected:flag
pawn
  pledges pledge_id:key item=watch|ring|guitar|camera loaned:money(20..4000) pledged_on:date redeemed:flag
timesheets
  timesheets sheet_id:key consultant_id>consultants project_id>projects hours:real(0.25..12) day:date billable:flag
  consultants consultant_id:key name:person rate:money(40..300) office:city
  projects project_id:key client:word phase=design|build|run budget:money(5000..900000) started:date
`;
