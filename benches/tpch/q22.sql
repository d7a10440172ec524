with rich as (
    select substring(c_phone, 1, 2) as cntrycode, c_acctbal, c_custkey
    from {{ source('tpch', 'customer') }}
    where substring(c_phone, 1, 2) in ('13', '31', '23', '29', '30', '18', '17')
)
select cntrycode, count(*) as numcust, sum(c_acctbal) as totacctbal
from rich
where c_acctbal > (select avg(c_acctbal) from rich where c_acctbal > 0.00)
    and not exists (select 1 from {{ source('tpch', 'orders') }} where o_custkey = c_custkey)
group by cntrycode
